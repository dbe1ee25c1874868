#: tests [("3\n", "xxx\n"), ("17825792\n", "x" * 17825792 + "\n")]
n = int(input())
print('x' * n)
