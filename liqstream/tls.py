"""TLS spoken by the server itself, with a certificate that can be renewed while it serves."""

from __future__ import annotations

import ssl

from liqstream.settings import Settings


class TlsError(Exception):
    """A certificate that cannot be used; the message is the one line to show."""


class ServerTls:
    """TLS 1.2 or newer with the settings' certificate; `reload` reads it again for new connections."""

    def __init__(self, settings: Settings) -> None:
        """Raises TlsError."""
        self._cert, self._key = settings.tls_cert, settings.tls_key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.reload()

    @classmethod
    def of(cls, settings: Settings) -> ServerTls | None:
        """None without a certificate. Raises TlsError."""
        if settings.tls_key and not settings.tls_cert:
            raise TlsError("LIQSTREAM_TLS_KEY without LIQSTREAM_TLS_CERT: a key alone speaks no TLS")
        return cls(settings) if settings.tls_cert else None

    def reload(self) -> None:
        """Use what the files hold now. Raises TlsError, and then goes on with what it had."""
        try:
            self.context.load_cert_chain(self._cert, self._key or None)
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", None) or error
            raise TlsError(f"cannot use the certificate {self._cert}: {reason}") from None
