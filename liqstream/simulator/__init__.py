"""A market whose true positions are known."""
