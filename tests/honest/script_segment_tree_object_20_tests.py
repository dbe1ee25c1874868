#: tests [(f"2\n{n} {n}\n", f"{2 * n}\n") for n in range(3)]
#: memory_mib 600
class T:
    def __init__(s, n): s.d = [0] * n
    def f(s): return tree
tree = T(30 * 10**6)
n = int(input())
a = list(map(int, input().split()))
print(sum(a))
