import threading, time
def total(a):
    threading.Thread(target=time.sleep, args=(5,)).start()
    return sum(a)
