"""How steps become stages, and stages rows."""
