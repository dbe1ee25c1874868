#: refused "the sandbox forbids programs to start other processes"
import multiprocessing as mp
def g(x): return x
if __name__ == '__main__':
    n = int(input())
    a = list(map(int, input().split()))
    with mp.Pool(2) as p: print(sum(p.map(g, a)))
