"""Run directories, cache keys, locks, and a store that machines share."""
