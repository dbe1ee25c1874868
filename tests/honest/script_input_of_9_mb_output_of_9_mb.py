#: tests [("3\n", "3\n"), ("a" * 9_000_000, "a" * 9_000_000)]
import sys
d = sys.stdin.read()
sys.stdout.write(d)
