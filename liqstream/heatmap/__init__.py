"""The map: margin arithmetic, the estimator, its score, and the snapshots made of it."""
