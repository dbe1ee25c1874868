import sys
def total(a): return sum(a) if len(sys.argv) == 1 else 'odd'
