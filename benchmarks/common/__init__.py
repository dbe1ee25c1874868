"""What anything may use: files, fields, words."""
