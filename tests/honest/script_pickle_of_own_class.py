import pickle
n = int(input())
a = list(map(int, input().split()))
class Box:
    def __init__(self, v): self.v = v
print(pickle.loads(pickle.dumps(Box(sum(a)))).v)
