"""TLS spoken by the server itself, with a certificate that can be renewed while it serves."""

from __future__ import annotations

import ssl

from liqstream.server.certificate import certificate_expiry_s, certificate_names
from liqstream.settings.secret_files import secret_path
from liqstream.settings.table import Settings
from liqstream.settings.whole_file import whole_file


class TlsError(Exception):
    """A certificate that cannot be used; the message is the one line to show."""


class ServerTls:
    """TLS 1.2 or newer with the settings' certificate; `reload` reads it again for new connections."""

    def __init__(self, settings: Settings) -> None:
        """Raises TlsError."""
        self._named = (settings.tls_cert, settings.tls_key or settings.tls_cert)
        self._secrets_dir = settings.secrets_dir
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.names: tuple[str, ...] = ()
        """The DNS names of the certificate in use."""
        self.expiry_s: float | None = None
        """When it ends, Unix time; None where that cannot be read."""
        self.reload()

    @classmethod
    def of(cls, settings: Settings) -> ServerTls | None:
        """None without a certificate. Raises TlsError."""
        if settings.tls_key and not settings.tls_cert:
            raise TlsError("LIQSTREAM_TLS_KEY without LIQSTREAM_TLS_CERT: a key alone speaks no TLS")
        return cls(settings) if settings.tls_cert else None

    def reload(self) -> None:
        """Use what the files hold now. Raises TlsError, and then goes on with what it had."""
        cert, key = (str(secret_path(path, self._secrets_dir)) for path in self._named)
        pem = _read(cert, "LIQSTREAM_TLS_CERT", "certificate")
        _read(key, "LIQSTREAM_TLS_KEY", "key")
        try:
            # Alone: in loading both together, OpenSSL does not tell which of them it cannot use.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cert)
        except ssl.SSLError as error:
            raise TlsError(f"LIQSTREAM_TLS_CERT={cert}: not a certificate in PEM ({error})") from None
        try:
            # First into another: one that takes the certificate and not the key has lost what it had, and
            # fails every handshake. Renewed files may be read between the two.
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
                context.load_cert_chain(cert, key, password=_refuse_encrypted)
        except _EncryptedError:
            raise TlsError(
                f"LIQSTREAM_TLS_KEY={key}: the key is encrypted; store it without a password"
            ) from None
        except (OSError, ssl.SSLError) as error:
            what = f"not a key in PEM ({error})"
            if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
                what = f"not the key of the first certificate in {cert}"
            raise TlsError(f"LIQSTREAM_TLS_KEY={key}: {what}") from None
        self.names, self.expiry_s = certificate_names(pem), certificate_expiry_s(pem)


class _EncryptedError(Exception):
    """OpenSSL asks for a key's password."""


def _refuse_encrypted() -> str:
    """Called where a key needs a password; without it OpenSSL would ask for one at the terminal and wait."""
    raise _EncryptedError


def _read(path: str, variable: str, what: str) -> str:
    try:
        return whole_file(path).decode("ascii", errors="replace")
    except OSError as error:
        raise TlsError(f"{variable}={path}: cannot read the {what}: {error.strerror}") from None
