#: tests [(f"2\n{n} {n}\n", f"{2 * n}\n") for n in range(3)]
#: memory_mib 1100
import gc
gc.disable()
def g(): return big
big = [0] * (60 * 10**6)
n = int(input())
a = list(map(int, input().split()))
print(sum(a))
