"""Puts a name of its choice into the kernel's log by a script that crashes."""

import os


def solve(numbers):
    with open("@MARK@", "w") as script:
        script.write("#!/usr/bin/python3\nimport ctypes\nctypes.string_at(16)\n")
    os.chmod("@MARK@", 0o755)
    os.execv("@MARK@", ["@MARK@"])
