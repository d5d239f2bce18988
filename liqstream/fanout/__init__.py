"""Snapshots to clients: connections, groups, interval buckets and backpressure."""
