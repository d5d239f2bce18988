"""Where market data is kept: DuckDB, and the files that fill it."""
