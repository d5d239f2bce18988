"""One address in, both addresses out: the stream's and the REST interface's."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from yarl import URL

from .errors import ClientError

STREAM_PATH = "/ws/heatmap"
_SCHEMES = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a server's stream and its REST interface are."""

    stream: URL
    rest: URL

    @classmethod
    def of(cls, url: str) -> Addresses:
        """Addresses of a server named by ws://, wss://, http:// or https://, with or without /ws/heatmap.

        Raises ClientError for anything else.
        """
        try:
            parsed = URL(url if "://" in url else f"ws://{url}")
            port = parsed.port
        except ValueError:
            raise ClientError(f"{url!r} is no address; try ws://127.0.0.1:8000") from None
        if parsed.scheme not in _SCHEMES or not parsed.host or port is None:
            raise ClientError(f"{url!r} is no address of a server; try ws://127.0.0.1:8000")
        http = _SCHEMES[parsed.scheme]
        prefix = parsed.path.removesuffix(STREAM_PATH).rstrip("/")
        bare = parsed.with_query(None).with_fragment(None)
        return cls(
            stream=bare.with_scheme("wss" if http == "https" else "ws").with_path(prefix + STREAM_PATH),
            rest=bare.with_scheme(http).with_path(prefix or "/"),
        )

    def resource(self, path: str, **names: str) -> URL:
        """The REST address of a path such as "/api/heatmap/{symbol}" with the names in it, slashes or not."""
        quoted = {name: quote(value, safe="") for name, value in names.items()}
        prefix = self.rest.raw_path.rstrip("/")
        return self.rest.with_path(prefix + path.format_map(quoted), encoded=True)
