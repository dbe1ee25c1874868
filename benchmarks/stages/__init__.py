"""The stages of a run, one file each: from references to scores."""
