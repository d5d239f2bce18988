"""The exchanges that can be followed, by the names users give them."""

from __future__ import annotations

from liqstream.feeds.binance import Binance
from liqstream.feeds.bybit import Bybit
from liqstream.feeds.hyperliquid import Hyperliquid
from liqstream.feeds.okx import Okx
from liqstream.feeds.venue import Venue

VENUES: dict[str, type[Venue]] = {venue.name: venue for venue in (Binance, Bybit, Okx, Hyperliquid)}
