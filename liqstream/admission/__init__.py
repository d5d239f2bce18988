"""The admission policy: who is admitted, from where, how many, how often; decided before a request costs."""
