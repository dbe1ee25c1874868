import threading
assert threading.stack_size(1 << 26) == 0
n = int(input())
a = list(map(int, input().split()))
print(sum(a))
