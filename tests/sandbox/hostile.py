"""Programs that try to pass without solving the task, to escape, or to exhaust the machine.

The task is `solve(numbers)`: the sum of a list of integers. `TARGET` stands for a file of the host
that a program may try to write, `PORT` for a port on which the host listens.
"""

_HEAD = "import os, sys, time, signal, threading, socket, ctypes, gc, builtins, json, types\n"

CHEATING = {
    "an object that equals everything": """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def solve(numbers): return Equal()
""",
    "an int that equals everything": """
class Lying(int):
    def __eq__(self, other): return True
    def __index__(self): return 6
    def __int__(self): return 6
    def __repr__(self): return "6"
    def __pos__(self): return 6
def solve(numbers): return Lying(123456)
""",
    "a str that equals everything": """
class Lying(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
def solve(numbers): return Lying("x")
""",
    "a list that equals everything": """
class Lying(list):
    def __eq__(self, other): return True
    def __iter__(self): return iter([6])
    def __len__(self): return 1
def solve(numbers): return Lying([1, 2])
""",
    "a class that pretends to be int": """
class Pretender:
    __class__ = int
    def __eq__(self, other): return True
    def bit_length(self): return 3
Pretender.__name__ = "int"
def solve(numbers): return Pretender()
""",
    "a metaclass that lies": """
class Meta(type):
    def __eq__(self, other): return True
    def __hash__(self): return hash(int)
    def __instancecheck__(self, other): return True
class Lying(metaclass=Meta):
    def __eq__(self, other): return True
def solve(numbers): return Lying()
""",
    "walking the frames for what is expected": """
def solve(numbers):
    frame = sys._getframe()
    while frame:
        for name, value in {**frame.f_globals, **frame.f_locals}.items():
            if "expect" in name or "canonical" in name or "gold" in name:
                return value
        frame = frame.f_back
    raise LookupError("nothing there")
""",
    "searching the garbage collector's objects": """
def solve(numbers):
    for thing in gc.get_objects():
        if isinstance(thing, dict):
            for key in thing:
                if isinstance(key, str) and key in ("expected", "canonical_solution", "gold"):
                    return thing[key]
    raise LookupError("nothing there")
""",
    "patching the builtins": """
builtins.all = lambda *a: True
builtins.sorted = builtins.sum = builtins.len = lambda *a: True
builtins.isinstance = builtins.issubclass = lambda *a: True
def solve(numbers): return None
""",
    "patching json and the encoder": """
def solve(numbers):
    json.dumps = lambda *a, **k: "null"
    for name, module in list(sys.modules.items()):
        if name.endswith("codec"):
            module.encode = lambda *a: None
    return object()
""",
    "emptying sys.modules": """
def solve(numbers):
    sys.modules.clear()
    return None
""",
    "forging replies on every descriptor": """
def solve(numbers):
    for fd in range(256):
        for text in (b'end \\n', b'= 0.0 6\\nend \\n', b'passed\\n', b'{"code": 0}'):
            try: os.write(fd, text)
            except OSError: pass
    os._exit(0)
""",
    "malformed replies": """
def solve(numbers):
    os.write(3, b'= x\\n\\xff\\xfe' + b'[' * 100000 + b'\\n')
    os._exit(0)
""",
    "exit status 0 by sys.exit": "def solve(numbers): sys.exit(0)",
    "exit status 0 by os._exit": "def solve(numbers): os._exit(0)",
    "exit while loading": "os._exit(0)\ndef solve(numbers): return 6",
    "a subclass of SystemExit": """
class Quiet(SystemExit):
    def __str__(self): raise SystemExit(0)
def solve(numbers): raise Quiet(0)
""",
    "an exit hook that exits with 0": """
import atexit
atexit.register(os._exit, 0)
def solve(numbers): raise ValueError
""",
    "reading standard input": "def solve(numbers): return int(input())",
    "changing the inputs for later calls": """
def solve(numbers):
    numbers.append(-sum(numbers))
    return 0
""",
    "a thread that answers late": """
def late():
    time.sleep(0.2)
    os.write(3, b'= 0.0 6\\nend \\n')
def solve(numbers):
    threading.Thread(target=late).start()
    time.sleep(0.1)
    return None
""",
    "threads that never end": """
def solve(numbers):
    for _ in range(4): threading.Thread(target=time.sleep, args=(1000,)).start()
    return None
""",
    "not a number": "def solve(numbers): return float('nan')",
    "the right value of the wrong type": "def solve(numbers): return float(sum(numbers))",
    "a generator": "def solve(numbers): yield sum(numbers)",
}

ESCAPING = {
    "writing a file of the host": """
def solve(numbers):
    os.makedirs(os.path.dirname("TARGET"), exist_ok=True)
    open("TARGET", "w").write("x")
    return sum(numbers)
""",
    "deleting the host's files": """
import shutil
def solve(numbers):
    os.remove("TARGET.keep")
    shutil.rmtree(os.path.dirname("TARGET"))
    return sum(numbers)
""",
    "reading /etc/passwd": "def solve(numbers): return open('/etc/passwd').read() and sum(numbers)",
    "reading the environment's secrets": (
        "def solve(numbers): return os.environ['DOMINO_TEST_SECRET'] and sum(numbers)"
    ),
    "listing other processes": """
def solve(numbers):
    pids = [name for name in os.listdir('/proc') if name.isdigit()]
    return sum(numbers) if pids else None
""",
    "reading its parent's memory": """
def solve(numbers):
    open(f"/proc/{os.getppid() or 1}/mem", "rb").read(1)
    return sum(numbers)
""",
    "tracing its parent": """
def solve(numbers):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, os.getppid() or 1, 0, 0) != 0: raise OSError("ptrace")
    return sum(numbers)
""",
    "ending its parent": """
def solve(numbers):
    if os.getppid() == 0: raise ProcessLookupError("no parent in sight")
    os.kill(os.getppid(), signal.SIGKILL)
    return sum(numbers)
""",
    "ending every process": """
def solve(numbers):
    os.kill(-1, signal.SIGKILL)
    return sum(numbers)
""",
    "connecting to the host": """
def solve(numbers):
    socket.create_connection(("127.0.0.1", PORT), timeout=2).sendall(b"x")
    return sum(numbers)
""",
    "a raw socket": """
def solve(numbers):
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    return sum(numbers)
""",
    "asking a name server": """
def solve(numbers):
    socket.getaddrinfo("example.com", 80)
    return sum(numbers)
""",
    "new user namespaces": """
def solve(numbers):
    if ctypes.CDLL(None).unshare(0x10000000) != 0: raise PermissionError("unshare")
    return sum(numbers)
""",
    "mounting": """
def solve(numbers):
    if ctypes.CDLL(None).mount(b"proc", b"/proc", b"proc", 0, None) != 0:
        raise PermissionError("mount")
    return sum(numbers)
""",
    "writing into the interpreter's library": """
def solve(numbers):
    open(os.path.join(os.path.dirname(os.__file__), "planted_by_test.py"), "w").write("x")
    return sum(numbers)
""",
    "raising its limits": """
import resource
def solve(numbers):
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return sum(numbers)
""",
}

EXHAUSTING = {
    "a loop without end": "def solve(numbers):\n    while True: pass",
    "a sleep without end": "def solve(numbers): time.sleep(10000)",
    "a loop that ignores signals": """
def solve(numbers):
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    while True:
        try:
            while True: pass
        except BaseException: pass
""",
    "a loop while loading": "while True: pass\ndef solve(numbers): return sum(numbers)",
    "memory without end": """
def solve(numbers):
    x = []
    while True: x.append(bytearray(1 << 24))
""",
    "one huge allocation": "def solve(numbers): return len(bytearray(1 << 42))",
    "a huge output": "def solve(numbers): return 'x' * (2 << 20)",
    "an output that refers to itself": """
def solve(numbers):
    x = []
    x.append(x)
    return x
""",
    "an output that doubles": """
def solve(numbers):
    x = [0]
    for _ in range(60): x = [x, x]
    return x
""",
    "an endless generator as a list": """
def solve(numbers):
    import itertools
    return map(str, itertools.count())
""",
    "endless printing": "def solve(numbers):\n    while True: print('x' * 1000)",
    "endless writing on the reply pipe": """
def solve(numbers):
    while True: os.write(3, b'x' * 65536)
""",
    "recursion without end": "def solve(numbers): return solve(numbers)",
    "recursion past the stack": """
sys.setrecursionlimit(10**9)
class A:
    def __repr__(self): return repr(self)
def solve(numbers): return repr(A())
""",
    "a disk full of data": """
def solve(numbers):
    for i in range(1000): open(f"/tmp/{i}", "wb").write(b'x' * (8 << 20))
    return sum(numbers)
""",
    "a disk full of files": """
def solve(numbers):
    for i in range(10**6): open(f"/tmp/{i}", "w").close()
    return sum(numbers)
""",
    "a fork bomb": "def solve(numbers):\n    while True: os.fork()",
    "a shell": "def solve(numbers): return os.system('true') or sum(numbers)",
    "a thread bomb": """
def solve(numbers):
    while True: threading.Thread(target=time.sleep, args=(1000,)).start()
""",
}

FORKING = {
    "children without end": """
def solve(numbers):
    while True:
        if os.fork() == 0: time.sleep(1000)
""",
    "a daemon left behind": """
def solve(numbers):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
    return None
""",
    "a child that holds the reply pipe": """
def solve(numbers):
    if os.fork() == 0:
        time.sleep(1000)
    return None
""",
}

HONEST = {
    "by sum": "def solve(numbers): return sum(numbers)",
    "by a loop": "def solve(numbers):\n    t = 0\n    for n in numbers: t += n\n    return t",
    "printing": "def solve(numbers):\n    print(numbers)\n    return sum(numbers)",
    "with a scratch file": """
def solve(numbers):
    with open("scratch.txt", "w") as file: file.write(str(sum(numbers)))
    return int(open("scratch.txt").read())
""",
    "with a thread": """
def solve(numbers):
    found = []
    thread = threading.Thread(target=lambda: found.append(sum(numbers)))
    thread.start()
    thread.join()
    return found[0]
""",
    "changing its argument": """
def solve(numbers):
    total = 0
    while numbers: total += numbers.pop()
    return total
""",
    "with a dataclass": """
from dataclasses import dataclass
@dataclass
class Box:
    total: int = 0
def solve(numbers): return Box(sum(numbers)).total
""",
}


def source(body: str, target: str, port: int) -> str:
    """Return a program's text with the host's file and port filled in."""
    return _HEAD + body.replace("TARGET", target).replace("PORT", str(port))
