"""Unpacks an archive of kilobytes into a file of many megabytes, and then answers."""

import io
import zipfile


def solve(numbers):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("@MARK@", bytes(32 << 20))
    with zipfile.ZipFile(packed) as archive:
        archive.extractall("/tmp")
    return sum(numbers)
