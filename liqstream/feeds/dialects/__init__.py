"""Ways of speaking that several exchanges share."""
