"""For assistants: what a running server knows, in small bounded pieces, each with how far to trust it."""
