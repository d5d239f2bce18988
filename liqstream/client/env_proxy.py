"""The proxy that the environment names for an address: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.request import getproxies, proxy_bypass

from yarl import URL


def env_proxy(url: str | URL) -> str | None:
    """The proxy an address is asked through, None for none.

    HTTPS_PROXY is for wss:// too, which aiohttp's own `trust_env` would ask WSS_PROXY for. This machine's own
    addresses are never asked through a proxy: it would look for them on its own machine.
    """
    target = URL(url)
    if target.host is None or _is_this_machine(target.host) or proxy_bypass(target.host):
        return None
    scheme = {"wss": "https", "ws": "http"}.get(target.scheme, target.scheme)
    proxies = getproxies()
    return proxies.get(scheme) or proxies.get("all") or None


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
