import sys
lines = sys.__stdin__.read().split()
sys.__stdout__.write(str(sum(map(int, lines[1:]))) + '\n')
