"""The score: predicted against realised liquidations, beside naive baselines, offline."""
