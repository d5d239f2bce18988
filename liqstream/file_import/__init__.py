"""Files of market data (CSV, gzip, zip) into the store."""
