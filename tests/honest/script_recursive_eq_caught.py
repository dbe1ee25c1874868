class A:
    def __eq__(s, o): return s == o
n = int(input())
a = list(map(int, input().split()))
try: A() == A()
except RecursionError: pass
print(sum(a))
