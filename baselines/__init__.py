"""Baselines: one method per file, its prompts beside it as text files."""
