from functools import cmp_to_key
def g(k): return sorted([1, 2], key=cmp_to_key(lambda x, y: g(k + 1)))
n = int(input())
a = list(map(int, input().split()))
try: g(0)
except RecursionError: pass
print(sum(a))
