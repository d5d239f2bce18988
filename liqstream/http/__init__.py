"""REST answers, pages and server-sent events: everything that is asked by a single HTTP request."""
