"""Inside the sandbox: the candidate is a Python expression, and its value is the output.

The official checks evaluate it as well, behind the imports of the problem. It is read here and not
on the host, because text that nests deeply enough ends a parser, and an expression may do anything.
"""

import ast
from typing import Any

SOURCE = ""
NAME = ""
IMPORTS = ""


def stated_value() -> Any:
    """Return the expression's value: of a literal without the imports, which take their time."""
    text = SOURCE.strip()
    try:
        return ast.literal_eval(text)
    except ValueError:
        names: dict[str, Any] = {}
        exec(IMPORTS, names)
        return eval(text, names)
