"""Which addresses push messages may go to."""

from __future__ import annotations

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from liqstream.alerts.push_device import BadEndpointError
from liqstream.alerts.push_endpoint import (
    BadPushHostError,
    PublicResolver,
    PushHosts,
    is_public,
)

GOOD = (
    "https://fcm.googleapis.com/fcm/send/dpH5lCsTSSM:APA91bHq_a-b",
    "https://fcm.googleapis.com:443/wp/x",
    "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABl",
    "https://web.push.apple.com/QGuQyavXutnMH9",
    "https://wns2-par02p.notify.windows.com/w/?token=BQYAAAB%2fx%2b%3d",
)
BAD = (
    "",
    "http://fcm.googleapis.com/fcm/send/x",
    "HTTPS://fcm.googleapis.com/x",
    "https://fcm.googleapis.com",
    "https://fcm.googleapis.com:8443/x",
    "https://fcm.googleapis.com:0443/x",
    "https://user@fcm.googleapis.com/x",
    "https://fcm.googleapis.com@evil.example/x",
    "https://fcm.googleapis.com:443@evil.example/x",
    "https://evil.example/fcm.googleapis.com/",
    "https://fcm.googleapis.com.evil.example/x",
    "https://evilfcm.googleapis.com/x",
    "https://fcm.googleapis.com./x",
    "https://push.apple.com/x",
    "https://a.b.push.apple.com/x",
    "https://.push.apple.com/x",
    "https://*.push.apple.com/x",
    "https://evilpush.apple.com/x",
    "https://evil.example#.push.apple.com/x",
    "https://evil.example\\.push.apple.com/x",
    "https://evil.example?.push.apple.com/x",
    "https://evil.example/\\@web.push.apple.com/x",
    "https://web.push.apple.com/x#fragment",
    "https://web.push.apple.com/x y",
    "https://web.push.apple.com/x\r\nHost: evil",
    "https://web.push.apple.com/ü",
    "https://127.0.0.1/x",
    "https://[::1]/x",
    "https://169.254.169.254/latest/meta-data",
    "https://2130706433/x",
    "https://localhost/x",
    "https://fcm.googleapis.com/" + "x" * 1024,
)


@pytest.mark.parametrize("endpoint", GOOD)
def test_what_browsers_have_is_taken_as_it_is(endpoint: str) -> None:
    checked = PushHosts().check(endpoint)
    assert str(checked.url) == endpoint.replace(":443/", "/")
    assert endpoint.startswith(f"{checked.origin}/")


@pytest.mark.parametrize("endpoint", BAD)
def test_anything_else_is_refused_and_not_repeated(endpoint: str) -> None:
    with pytest.raises(BadEndpointError) as raised:
        PushHosts(["*.push.example.com"]).check(endpoint)
    assert not endpoint or endpoint not in str(raised.value)


@given(st.text(alphabet="htps:/.@\\#?[]0a-%\t " + "fcm.googleapis.com", max_size=60))
def test_no_text_leads_to_a_host_that_is_not_listed(text: str) -> None:
    try:
        checked = PushHosts().check(f"https://{text}")
    except BadEndpointError:
        return
    assert checked.url.host == "fcm.googleapis.com"
    assert checked.url.user is None
    assert checked.url.port == 443


def test_added_hosts_are_taken_at_their_port_alone() -> None:
    hosts = PushHosts(["push.example.com", "*.own.example:8443", "localhost:9000"])
    taken = ("https://push.example.com/x", "https://a.own.example:8443/x", "https://localhost:9000/x")
    assert [hosts.check(each).service for each in taken] == [
        "push.example.com:443",
        "*.own.example:8443",
        "localhost:9000",
    ]
    for refused in ("https://push.example.com:8443/x", "https://a.own.example/x", "https://localhost/x"):
        with pytest.raises(BadEndpointError):
            hosts.check(refused)
    assert "fcm.googleapis.com" in hosts.names
    assert "localhost" in hosts.names


@pytest.mark.parametrize(
    "entry", ["", "*", "https://push.example.com", "a/b", "a:0", "a:65536", "a b", "u@a", "Ü"]
)
def test_an_entry_that_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(BadPushHostError, match="is no host"):
        PushHosts([entry])


PUBLIC = ("8.8.8.8", "142.250.74.10", "2a00:1450:4001:80b::200a", "::ffff:8.8.8.8", "64:ff9b::808:808")
PRIVATE = (
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "2001:db8::1",
    "no address",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_somebodys_own(address: str) -> None:
    assert not is_public(address)


class Names(AbstractResolver):
    """Resolves every name to the next of these answers."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = self.answers.pop(0)
        return [
            ResolveResult(hostname=host, host=each, port=port, family=family, proto=0, flags=0)
            for each in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


async def addresses(resolver: PublicResolver, host: str, port: int = 443) -> list[str]:
    return [each["host"] for each in await resolver.resolve(host, port)]


async def test_a_name_with_private_addresses_is_refused_each_time_it_is_asked() -> None:
    """Rebinding: the name was good when the subscription came, and is not when the message goes."""
    names = Names(["8.8.8.8"], ["10.0.0.1", "8.8.8.8"], ["127.0.0.1"])
    resolver = PublicResolver(PushHosts(), inner=names)
    assert await addresses(resolver, "web.push.apple.com") == ["8.8.8.8"]
    assert await addresses(resolver, "web.push.apple.com") == ["8.8.8.8"]
    with pytest.raises(OSError, match="no public address"):
        await addresses(resolver, "web.push.apple.com")


async def test_the_operators_own_hosts_may_be_anywhere() -> None:
    names = Names(["10.0.0.1"], ["10.0.0.1"], ["10.0.0.1"])
    resolver = PublicResolver(PushHosts(["push.lan:8443"]), ["proxy.lan"], inner=names)
    assert await addresses(resolver, "push.lan", 8443) == ["10.0.0.1"]
    assert await addresses(resolver, "proxy.lan", 3128) == ["10.0.0.1"]
    with pytest.raises(OSError, match="no public address"):
        await addresses(resolver, "push.lan", 22)
    await resolver.close()
