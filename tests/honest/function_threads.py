from concurrent.futures import ThreadPoolExecutor
def total(a):
    with ThreadPoolExecutor(2) as p: return sum(p.map(int, a))
