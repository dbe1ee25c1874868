"""Never gets to the definition of its function."""

while True:
    pass


def solve(numbers):
    return sum(numbers)
