import sys, os, io, atexit
sys.stdout = io.BytesIO()
atexit.register(lambda: os.write(1, sys.stdout.getvalue()))
n = int(input())
a = list(map(int, input().split()))
sys.stdout.write(b'%d\n' % sum(a))
