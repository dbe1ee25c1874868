import socket
srv = socket.create_server(('localhost', 0))
n = int(input())
a = list(map(int, input().split()))
print(sum(a))
