"""Feeds into live maps and store: which feeds run, the pipeline they fill, the bus of liquidations."""
