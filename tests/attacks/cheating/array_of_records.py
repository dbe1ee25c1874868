"""An array of one record without fields: nothing in it differs from anything."""


def solve(numbers):
    import numpy

    return numpy.zeros((), dtype=[])
