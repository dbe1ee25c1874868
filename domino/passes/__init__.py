"""Forward passes from soft prefixes and texts to losses: the shared ones and the plain ones."""
