import os
os.environ['OPENBLAS_NUM_THREADS'] = '4'
import numpy as np
np.ones((300, 300)) @ np.ones((300, 300))
n = int(input())
a = list(map(int, input().split()))
print(sum(a))
