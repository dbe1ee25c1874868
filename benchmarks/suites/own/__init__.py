"""The suite of a user's own file of problems."""
