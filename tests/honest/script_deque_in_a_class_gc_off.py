#: tests [(f"2\n{n} {n}\n", f"{2 * n}\n") for n in range(3)]
#: memory_mib 900
import gc
gc.disable()
class T:
    def __init__(s): s.l = [0] * (50 * 10**6)
t = T()
n = int(input())
a = list(map(int, input().split()))
print(sum(a))
