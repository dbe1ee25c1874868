"""The embedded default suite: a small universe of Python tasks with hidden house conventions."""
