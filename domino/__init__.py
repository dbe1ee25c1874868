"""DOMINO, and the records and interfaces shared by baselines and benchmarks."""
