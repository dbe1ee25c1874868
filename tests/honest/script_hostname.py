import socket
socket.gethostname()
socket.gethostbyname('localhost')
n = int(input())
a = list(map(int, input().split()))
print(sum(a))
