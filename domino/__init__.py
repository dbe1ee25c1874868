"""DOMINO and the vocabulary that methods, baselines and benchmarks share."""
