"""Responses that every route gives alike."""

from __future__ import annotations

import json

from aiohttp.test_utils import make_mocked_request

from liqstream.http.responses import bad_request, cacheable, json_response, not_found, unavailable


def test_json_has_an_etag_and_a_client_that_has_it_gets_no_body() -> None:
    """304 with the same headers that rule caches."""
    first = json_response(make_mocked_request("GET", "/"), {"a": 1})
    assert (first.status, first.body, first.content_type) == (200, b'{"a":1}', "application/json")
    again = make_mocked_request("GET", "/", headers={"If-None-Match": f'"{first.etag.value}"'})  # type: ignore[union-attr]
    second = json_response(again, {"a": 1})
    assert (second.status, second.body, second.etag) == (304, None, first.etag)
    assert second.headers["Vary"] == first.headers["Vary"] == "Accept, Accept-Encoding"
    assert json_response(again, {"a": 2}).status == 200


def test_a_body_that_is_compressed_already_is_sent_as_it_is() -> None:
    """With the name of its coding."""
    response = cacheable(make_mocked_request("GET", "/"), b"xx", content_type="text/css", coding="br")
    assert response.headers["Content-Encoding"] == "br"
    assert response.body == b"xx"


def test_refusals_are_a_sentence_in_json() -> None:
    """Each with its status; a 503 says when to come back."""
    refusals = (bad_request("a"), not_found("b"), unavailable("c", retry_after_s=7))
    assert [refusal.status for refusal in refusals] == [400, 404, 503]
    assert [json.loads(refusal.text or "") for refusal in refusals] == [
        {"error": "a"},
        {"error": "b"},
        {"error": "c"},
    ]
    assert {refusal.content_type for refusal in refusals} == {"application/json"}
    assert refusals[2].headers["Retry-After"] == "7"
