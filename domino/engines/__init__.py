"""Text generation behind one interface, over text prompts and over prompt embeddings."""
