"""A worker that does as it is told: `python -m tests.engines.talker DESCRIPTOR`."""

import os
import sys
import time
from multiprocessing.connection import Connection

if __name__ == "__main__":
    with Connection(int(sys.argv[1])) as pipe:
        while True:
            try:
                what, value = pipe.recv()
            except EOFError:
                break
            if what == "say":
                pipe.send(value)
            elif what == "variable":
                pipe.send(os.environ.get(value))
            elif what == "fail":
                sys.stdout.write("on the way\n")
                raise RuntimeError(value)
            elif what == "sleep":
                time.sleep(value)
