import getpass
n = int(input())
a = list(map(int, input().split()))
getpass.getuser()
print(sum(a))
