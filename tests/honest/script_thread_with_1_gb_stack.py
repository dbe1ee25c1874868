import sys, threading
sys.setrecursionlimit(10**6)
threading.stack_size(2**30)
n = int(input())
a = list(map(int, input().split()))
def main():
    print(sum(a))
t = threading.Thread(target=main)
t.start()
t.join()
