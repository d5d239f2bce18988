"""liqstream: a live liquidation heatmap for perpetual futures, streamed over WebSocket."""

__version__ = "0.1.0"
