"""One address names the stream and the REST interface."""

from __future__ import annotations

import pytest

from liqstream.client.errors import ClientError
from liqstream.client.urls import Addresses


@pytest.mark.parametrize(
    ("given", "stream", "rest"),
    [
        ("ws://host:8000", "ws://host:8000/ws/heatmap", "http://host:8000/"),
        ("https://host", "wss://host/ws/heatmap", "https://host/"),
        ("host:8000", "ws://host:8000/ws/heatmap", "http://host:8000/"),
        ("http://host/below/ws/heatmap?x=1#y", "ws://host/below/ws/heatmap", "http://host/below"),
        ("wss://[::1]:9/", "wss://[::1]:9/ws/heatmap", "https://[::1]:9/"),
    ],
)
def test_both_addresses_follow_from_one(given: str, stream: str, rest: str) -> None:
    """TLS on one side is TLS on the other; a path before /ws/heatmap is kept."""
    addresses = Addresses.of(given)
    assert (str(addresses.stream), str(addresses.rest)) == (stream, rest)


def test_resources_are_below_the_servers_path() -> None:
    """Behind a proxy that serves it below a prefix, too."""
    resource = Addresses.of("http://host/below").resource("/api/heatmap/BTCUSDT")
    assert str(resource) == "http://host/below/api/heatmap/BTCUSDT"


@pytest.mark.parametrize("given", ["", "ftp://host", "ws://", "http://host:99999", "http://host:x"])
def test_what_is_no_address_is_refused_with_an_example(given: str) -> None:
    """One line."""
    with pytest.raises(ClientError, match=r"try ws://127\.0\.0\.1:8000"):
        Addresses.of(given)


def test_a_name_in_a_path_may_have_slashes() -> None:
    """They are not taken for the path's."""
    resource = Addresses.of("http://host/below").resource(
        "/api/heatmap/{symbol}/history", symbol="BTC/USDT:USDT"
    )
    assert resource.raw_path == "/below/api/heatmap/BTC%2FUSDT%3AUSDT/history"
