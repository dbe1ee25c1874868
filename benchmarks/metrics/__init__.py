"""Metrics as pure functions of records and numbers."""
