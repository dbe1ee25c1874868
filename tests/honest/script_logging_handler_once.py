import logging, sys
log = logging.getLogger('x')
log.addHandler(logging.StreamHandler(sys.stdout))
log.setLevel(10)
n = int(input())
a = list(map(int, input().split()))
log.info(sum(a))
