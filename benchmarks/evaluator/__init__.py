"""From programs to verdicts."""
