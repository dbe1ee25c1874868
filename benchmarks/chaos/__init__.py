"""Proof of crash safety: a run that is killed again and again ends as one that never was."""
