"""Tests of what the benches judge by."""
