"""One call into C that looks at no signal for seconds, and then answers."""

import sys


def solve(numbers):
    sys.set_int_max_str_digits(0)
    try:
        str(7**700_000)
    except BaseException:
        return sum(numbers)
    return sum(numbers)
