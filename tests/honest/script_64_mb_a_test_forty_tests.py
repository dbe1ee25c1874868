#: tests [(f"2\n{n} {n}\n", f"{2 * n}\n") for n in range(6)]
#: memory_mib 256
def g(): return big
big = [0] * (8 * 10**6)
n = int(input())
a = list(map(int, input().split()))
print(sum(a))
