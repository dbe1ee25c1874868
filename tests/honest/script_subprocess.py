#: refused "the sandbox forbids programs to start other processes"
import subprocess, sys
n = int(input())
a = list(map(int, input().split()))
print(subprocess.check_output([sys.executable, '-c', 'print(%d)' % sum(a)], text=True).strip())
