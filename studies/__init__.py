"""Hyper-parameter studies: search spaces, the loop, reports."""
