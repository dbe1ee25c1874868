import psutil
psutil.Process().memory_info()
n = int(input())
a = list(map(int, input().split()))
print(sum(a))
