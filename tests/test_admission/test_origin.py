"""Which pages may come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.admission.origin import BadOriginError, OriginPolicy, parse_origin

HOST = "good.com"


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil-good.com",
        "https://good.com.evil.net",
        "https://sub.good.com",
        "https://good.com:8443",
        "http://good.com:443",
        "ftp://good.com",
        "file://good.com",
        "https://good.com@evil.net",
        "https://evil.net#good.com",
        "https://evil.net/good.com",
        "https://evil.net\\good.com",
        "https://good.com:443.evil.net",
        "good.com",
        "",
    ],
)
def test_a_page_of_another_host_is_refused(origin: str) -> None:
    """Suffixes, ports, schemes and every trick of spelling: same host means the same host."""
    assert not OriginPolicy().allows(origin, HOST)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://good.com", "good.com"),
        ("http://good.com", "good.com:80"),
        ("https://GOOD.com:443", "Good.com"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_a_page_of_the_same_host_is_welcome(origin: str, host: str) -> None:
    """Case and a default port that is written out make no difference."""
    assert OriginPolicy().allows(origin, host)


def test_the_scheme_counts_where_it_is_known() -> None:
    """Behind a proxy that says https, a page loaded without TLS is another origin."""
    assert OriginPolicy().allows("https://good.com", HOST, scheme="https")
    assert not OriginPolicy().allows("http://good.com", HOST, scheme="https")


def test_programs_send_no_origin() -> None:
    """They come in; whoever wants to keep them out asks for tokens."""
    assert OriginPolicy().allows(None, HOST)
    assert not OriginPolicy().readable_by(None)


def test_listed_origins_come_in_and_may_read() -> None:
    """Exactly the listed ones, beside the same host."""
    policy = OriginPolicy(("https://app.example:8443",))
    assert policy.allows("https://app.example:8443", HOST)
    assert policy.readable_by("https://app.example:8443")
    assert not policy.allows("https://app.example", HOST)
    assert not policy.readable_by("https://good.com")
    assert policy.allows("https://good.com", HOST)


def test_a_star_allows_every_page() -> None:
    """For a public map."""
    policy = OriginPolicy(("*",))
    assert policy.allows("null", HOST)
    assert policy.readable_by("https://anyone.example")


def test_a_bad_entry_is_refused_at_the_start() -> None:
    """With a sentence that says what an origin looks like."""
    with pytest.raises(BadOriginError, match="is no origin"):
        OriginPolicy(("example.com",))


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_it(origin: str, host: str) -> None:
    """Whatever the headers say, the answer is yes or no."""
    assert OriginPolicy().allows(origin, host) in (True, False)


def test_parts_of_an_origin() -> None:
    """The default port of the scheme is filled in."""
    assert parse_origin("https://example.com").port == 443
