"""The track *dialects*: domains that differ in the terms in which they name the operations."""
