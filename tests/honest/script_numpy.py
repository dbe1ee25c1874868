import numpy as np
n = int(input())
a = list(map(int, input().split()))
print(np.array(a).sum())
