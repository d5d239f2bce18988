"""Who may come in, from where, how many, and how often: decided before a request costs anything."""
