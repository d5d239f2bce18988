"""The estimator: where positions stand and at which prices they would be liquidated."""
