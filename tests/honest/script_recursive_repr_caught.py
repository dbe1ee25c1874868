class A:
    def __repr__(s): return repr(s)
n = int(input())
a = list(map(int, input().split()))
try: repr(A())
except RecursionError: pass
print(sum(a))
