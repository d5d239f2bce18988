"""Every offer of permessage-deflate is accepted with an answer its client must accept, or not at all."""

from __future__ import annotations

from itertools import product

import pytest
from websockets.exceptions import NegotiationError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension

from liqstream.wire.deflate_offer import AcceptedDeflate, accept_deflate

BITS = (None, *range(8, 16))


def test_the_client_of_another_author_accepts_every_answer() -> None:
    """Both takeover parameters, both windows over their whole range; nothing is compressed to 8 bits."""
    for server_off, client_off, server_bits, client_bits in product(
        (False, True), (False, True), BITS, (None, True, *range(9, 16))
    ):
        factory = ClientPerMessageDeflateFactory(
            server_no_context_takeover=server_off,
            client_no_context_takeover=client_off,
            server_max_window_bits=server_bits,
            client_max_window_bits=client_bits,
        )
        accepted = accept_deflate(build_extension([(factory.name, list(factory.get_request_params()))]))
        if server_bits == 8:
            assert accepted is None
            continue
        assert accepted is not None
        assert accepted[:2] == (server_bits or 15, server_off)
        ((name, parameters),) = parse_extension(accepted.answer)
        assert name == factory.name
        factory.process_response_params(parameters, [])


def test_the_client_of_another_author_refuses_a_parameter_that_is_missing() -> None:
    """So that the test above can fail: this answer lacks the window that was asked for."""
    factory = ClientPerMessageDeflateFactory(server_max_window_bits=15)
    with pytest.raises(NegotiationError):
        factory.process_response_params([], [])


@pytest.mark.parametrize(
    "parameters",
    [
        "foo",
        "foo=1",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=8",
        "server_max_window_bits=16",
        "server_max_window_bits=09",
        "server_max_window_bits=-9",
        "server_max_window_bits=1e1",
        'server_max_window_bits=""',
        'server_max_window_bits="1 0"',
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=0",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_max_window_bits=10; server_max_window_bits=10",
        "server_no_context_takeover; server_no_context_takeover",
    ],
)
def test_an_offer_that_cannot_be_accepted_is_declined_alone(parameters: str) -> None:
    """The next one in the list counts."""
    offer = f"permessage-deflate; {parameters}"
    assert accept_deflate(offer) is None
    accepted = AcceptedDeflate(11, False, "permessage-deflate; server_max_window_bits=11")
    assert accept_deflate(f"{offer}, permessage-deflate; server_max_window_bits=11") == accepted


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ('permessage-deflate; server_max_window_bits="10"', "permessage-deflate; server_max_window_bits=10"),
        ('permessage-deflate;server_max_window_bits="1\\0"', "permessage-deflate; server_max_window_bits=10"),
        ('x; a="b, permessage-deflate", permessage-deflate', "permessage-deflate"),
        (" , x-webkit-deflate-frame ,, permessage-deflate ", "permessage-deflate"),
        ("permessage-deflate , permessage-deflate; server_max_window_bits=9", "permessage-deflate"),
        ("", None),
        ("x-permessage-deflate", None),
        ("permessage-deflate; =5", None),
        ("permessage-deflate x", None),
        ('permessage-deflate; server_max_window_bits="10', None),
    ],
)
def test_lists_quotes_and_malformed_headers(header: str, answer: str | None) -> None:
    """As RFC 6455 9.1 writes them; a malformed header holds no offer."""
    accepted = accept_deflate(header)
    assert (None if accepted is None else accepted.answer) == answer
