"""Measured positions: accounts whose positions are public, their levels, coverage and age."""
