"""The half of the sandbox that runs beside untrusted programs: standard library only."""
