"""Tests of the room positions."""
