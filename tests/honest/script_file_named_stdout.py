import os
n = int(input())
a = list(map(int, input().split()))
os.makedirs('stdout', exist_ok=True)
print(sum(a))
