import sys
n = int(input())
a = list(map(int, input().split()))
assert sys.getrecursionlimit() <= 3000
print(sum(a))
