"""Several servers behind one Redis: leader lease, shared stream, fallback to a local generator."""
