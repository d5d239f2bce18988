"""Ten promises of a liqstream server, each a scenario anyone can run against his own."""
