"""Text generation with one interface, from text prompts and from prompt embeddings."""
