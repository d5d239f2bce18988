"""Builds and runs the application: ports, signals, readiness, metrics, logs."""
