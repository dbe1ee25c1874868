"""An object that gives two new ones of its kind whenever it is iterated over."""


class Branching:
    def __iter__(self):
        return iter([Branching(), Branching()])


def solve(numbers):
    return Branching()
