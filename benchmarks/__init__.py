"""Everything that is held equal between methods."""
