import inspect
def g(a):
    return sum(a)
n = int(input())
a = list(map(int, input().split()))
assert 'sum' in inspect.getsource(g)
print(g(a))
