"""An output that writes a file on the host when it is unpickled there."""

import io


class Bomb:
    def __eq__(self, other):
        return False

    def __reduce__(self):
        return io.open, ("@BAIT@/unpickled", "w")


def solve(numbers):
    return Bomb()
