"""Every setting: the table of them, and how they are read at the start."""
