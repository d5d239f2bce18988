"""Where market data comes from: exchanges, recordings, simulations."""
