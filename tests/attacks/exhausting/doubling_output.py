"""Returns a list of a few objects that is endless when it is written out."""


def solve(numbers):
    pair = [0]
    for _ in range(60):
        pair = [pair, pair]
    return pair
