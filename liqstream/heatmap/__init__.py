"""The live maps of all markets, and the snapshots and histories made of them."""
