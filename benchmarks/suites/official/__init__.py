"""What the benchmarks' own packages define, called there: prompts, stop strings, extraction."""
