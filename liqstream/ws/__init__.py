"""The wire: who is connected, what may be said, and how it is sent."""
