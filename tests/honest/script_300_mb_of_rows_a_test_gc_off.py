#: tests [(f"2\n{n} {n}\n", f"{2 * n}\n") for n in range(3)]
#: memory_mib 700
import gc
gc.disable()
def g(): return rows
rows = [[i, i + 1] for i in range(2 * 10**6)]
n = int(input())
a = list(map(int, input().split()))
print(sum(a))
