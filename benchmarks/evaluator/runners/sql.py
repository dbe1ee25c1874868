"""Inside the sandbox: the candidate is a query, run by SQLite on a database of its own.

The database is in memory and filled anew for every candidate. One statement is run; what it returns
is compared outside.
"""

from __future__ import annotations

import sqlite3
from typing import Any

SOURCE = ""
NAME = ""
MAX_ROWS = 100_000


def rows(setup: str) -> list[list[Any]]:
    """Fill the database, run the query, and return its rows."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA temp_store = MEMORY")
    try:
        connection.executescript(setup)
    except sqlite3.Error as error:
        raise RuntimeError(f"setup_sql fails ({type(error).__name__}: {error})") from None
    connection.text_factory = lambda data: data.decode(errors="replace")
    cursor = connection.execute(SOURCE)
    found = cursor.fetchmany(MAX_ROWS + 1)
    if len(found) > MAX_ROWS:
        raise OverflowError(f"more than {MAX_ROWS} rows")
    return [list(row) for row in found]
