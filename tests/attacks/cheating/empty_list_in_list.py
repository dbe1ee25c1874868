"""A list of one empty list, where a list of one number is expected."""
#: problem one


def solve(numbers):
    return [[]]
