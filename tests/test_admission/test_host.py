"""By which names the server may be called."""

from __future__ import annotations

import pytest

from liqstream.admission.host import BadHostError, HostPolicy, host_of


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8000", "127.0.0.1:", "192.0.2.7", "[::1]",
     "[fe80::1%25eth0]:80", "[fe80::1%eth0]", "[2001:db8::1]:8000", "localhost", "LocalHost:80",
     "liqstream", "liqstream-1:8000", "a.localhost", "box.local", "vm.c.project.internal",
     "liq.ns.svc", "liq.ns.svc.cluster.local", "nas.lan", "nas.home.arpa", "nas.lan."],
)  # fmt: skip
def test_names_that_no_stranger_can_register(host: str) -> None:
    """They are let in unlisted."""
    assert HostPolicy().allows(host)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "evil.example.", "127.0.0.1.evil.example", "localhost.evil.example",
     "evil-local", "evil.notlocal", "evil.home-arpa.example", "127.1.example", "", ":80",
     "a b", "a/b", "a@b",
     "[::1", "::1", "[::1]x", "evil.example:80:80", "e\u0131vil.local\u0430", ".local", "..", "-x.local"],
)  # fmt: skip
def test_names_of_strangers_are_refused(host: str) -> None:
    """Endings that only look local, ports, and what is no name at all."""
    assert HostPolicy().allows(host) == (host == "evil-local")


def test_listed_names() -> None:
    """As they are, with "*." for one label, or every name."""
    listed = HostPolicy(("liq.example.com", "*.example.org", "2001:db8::1"))
    assert listed.is_set
    for host, allowed in {
        "LIQ.example.com:443": True,
        "liq.example.com.": True,
        "x.liq.example.com": False,
        "a.example.org": True,
        "a.b.example.org": False,
        "example.org": False,
        "localhost": True,
    }.items():
        assert listed.allows(host) == allowed, host
    assert HostPolicy(("*",)).allows("evil.example")
    assert not HostPolicy().is_set


def test_the_certificate_s_names() -> None:
    """They are let in beside the listed ones, but do not count as set."""
    policy = HostPolicy()
    policy.certificate_names = ("*.example.com", "liq.example.net")
    assert policy.allows("a.example.com")
    assert policy.allows("liq.example.net")
    assert not policy.allows("example.com")
    assert not policy.is_set


@pytest.mark.parametrize(
    "text", ["https://liq.example.com", "liq.example.com:443", "a*.b", "*.*.b", "a b", ""]
)
def test_what_is_no_name_is_refused_at_the_start(text: str) -> None:
    """With what one looks like."""
    with pytest.raises(BadHostError, match="without scheme and port"):
        HostPolicy((text,))


def test_the_name_in_a_header() -> None:
    """Without port, brackets and the last dot."""
    assert [host_of(text) for text in ("A.b:80", "[::1]:8", "a.b.", "a b")] == ["a.b", "::1", "a.b", None]
