"""`python -m benchmarks.run --plan`: what a run will cost, from shapes and counts alone."""
