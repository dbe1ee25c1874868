import os
HERE = os.path.dirname(__file__)
def total(a): return sum(a)
