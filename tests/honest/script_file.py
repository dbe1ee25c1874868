import os
if os.path.exists(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'in.txt')):
    import sys; sys.stdin = open('in.txt')
n = int(input())
a = list(map(int, input().split()))
print(sum(a))
