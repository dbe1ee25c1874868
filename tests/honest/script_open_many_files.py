n = int(input())
a = list(map(int, input().split()))
fs = [open('f%d' % i, 'w') for i in range(100)]
print(sum(a))
