"""Inside the sandbox: the candidate is a Python literal, and its value is the output.

It is read here and not on the host, because text that nests deeply enough ends a parser.
"""

import ast
from typing import Any

SOURCE = ""
NAME = ""


def stated_value() -> Any:
    """Return the literal's value."""
    return ast.literal_eval(SOURCE.strip())
