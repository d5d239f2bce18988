"""One exchange per module: its sockets, its REST pages, its messages as records."""
