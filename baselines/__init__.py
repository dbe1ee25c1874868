"""Baselines: one method per file, with prompts as text files."""
