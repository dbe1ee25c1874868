"""Tables out of stored records."""
