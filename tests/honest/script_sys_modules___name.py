import sys
n = int(input())
a = list(map(int, input().split()))
def solve(): return sum(a)
print(getattr(sys.modules[__name__], 'solve')())
