from sortedcontainers import SortedList
n = int(input())
a = list(map(int, input().split()))
print(sum(SortedList(a)))
