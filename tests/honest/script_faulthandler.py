import faulthandler
faulthandler.enable()
faulthandler.dump_traceback_later(100)
n = int(input())
a = list(map(int, input().split()))
print(sum(a))
faulthandler.cancel_dump_traceback_later()
