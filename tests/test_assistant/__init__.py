"""Tests of liqstream/assistant/."""
