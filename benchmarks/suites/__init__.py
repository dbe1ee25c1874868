"""Suites: references, problems, prompt format and evaluation of one benchmark each."""
