"""Candidates out of responses: by the official tools, or as a user reads them; in workers."""
