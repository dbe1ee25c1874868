"""Returns a list that holds itself."""


def solve(numbers):
    circle = []
    circle.append(circle)
    return circle
