"""Run directories and what addresses are made of."""
