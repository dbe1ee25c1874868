n = int(input())
a = list(map(int, input().split()))
try:
    cache = heapq
except NameError:
    print(sum(a))
