import atexit
n = int(input())
a = list(map(int, input().split()))
atexit.register(lambda: print(sum(a)))
