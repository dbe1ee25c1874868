import threading, queue
q = queue.Queue()
n = int(input())
a = list(map(int, input().split()))
def w():
    q.put(sum(a))
threading.Thread(target=w, daemon=True).start()
print(q.get())
