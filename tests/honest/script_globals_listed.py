n = int(input())
a = list(map(int, input().split()))
print(sum(a) if 'deque' not in globals() else 'odd')
