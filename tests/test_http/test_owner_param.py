"""Whose rules a request is about."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from liqstream.alerts.owner import OWNER_HEADER, owner_of
from liqstream.http.owner_param import owner_param, required_owner


def test_the_header_names_the_owner() -> None:
    """None without it; where one is needed, and for what is no secret, a 400."""
    secret = "0123456789abcdef" * 2
    request = make_mocked_request("GET", "/", headers={OWNER_HEADER: secret})
    assert owner_param(request) == required_owner(request) == owner_of(secret)
    assert owner_param(make_mocked_request("GET", "/")) is None
    for headers in ({}, {OWNER_HEADER: "x"}):
        with pytest.raises(web.HTTPBadRequest):
            required_owner(make_mocked_request("GET", "/", headers=headers))
