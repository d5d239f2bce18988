"""What browsers are told about every answer."""

from __future__ import annotations

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from liqstream.admission.origin import BadOriginError
from liqstream.admission.security_headers import security_headers


@pytest.mark.parametrize(
    ("ancestors", "policy", "framing"),
    [
        ((), "frame-ancestors 'none'", "DENY"),
        (("self",), "frame-ancestors 'self'", "SAMEORIGIN"),
        (("self", "https://desk.example"), "frame-ancestors 'self' https://desk.example", None),
        (("*",), "frame-ancestors *", None),
    ],
)
async def test_frames(
    aiohttp_client: AiohttpClient, ancestors: tuple[str, ...], policy: str, framing: str | None
) -> None:
    """By the setting, in both headers as far as each can say it."""
    app = web.Application()
    app.on_response_prepare.append(security_headers(ancestors))
    client = await aiohttp_client(app)
    async with client.get("/nothing") as answer:
        assert answer.headers["Content-Security-Policy"].endswith(policy)
        assert answer.headers.get("X-Frame-Options") == framing


async def test_a_forged_host_says_nothing_in_the_policy(aiohttp_client: AiohttpClient) -> None:
    """Its text would be a directive of the attacker's."""
    app = web.Application()
    app.on_response_prepare.append(security_headers(()))
    client = await aiohttp_client(app)
    async with client.get("/", headers={"Host": "x; script-src *"}) as answer:
        assert "script-src *" not in answer.headers["Content-Security-Policy"]
    async with client.get("/", headers={"Host": "good.example:8000"}) as answer:
        assert (
            "connect-src 'self' ws://good.example:8000 wss://good.example:8000;"
            in (answer.headers["Content-Security-Policy"])
        )


def test_an_ancestor_must_be_an_origin() -> None:
    """Or the start is refused."""
    with pytest.raises(BadOriginError):
        security_headers(("nobody; script-src *",))
