"""The part of the sandbox that runs with untrusted programs: standard library only."""
