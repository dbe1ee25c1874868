import numpy as np
np.seterr(all='raise')
n = int(input())
a = list(map(int, input().split()))
print(int(np.sum(a)))
