"""A file of settings is read whole, and nothing from which a read may never end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from liqstream.admission.tokens import TokenFileError, TokenRing
from liqstream.alerts.config import BadAlertsError, read_alerts
from liqstream.model.kernel import KernelError, load_kernel
from liqstream.model.margin import BracketsError, load_brackets
from liqstream.server.tls import ServerTls, TlsError
from liqstream.settings.load import BadSettingError, load_settings
from liqstream.settings.table import Settings
from liqstream.settings.whole_file import whole_file


def test_all_of_a_file(tmp_path: Path) -> None:
    """Also behind a link; one byte too many is none."""
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"\x00abc")
    assert whole_file(tmp_path / "link", 4) == b"\x00abc"
    (tmp_path / "windows").write_bytes(b"\xef\xbb\xbfabc")
    assert whole_file(tmp_path / "windows") == b"abc"
    with pytest.raises(OSError, match="larger than 3 bytes"):
        whole_file(tmp_path / "file", 3)
    with pytest.raises(IsADirectoryError):
        whole_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        whole_file(tmp_path / "none")


@pytest.mark.parametrize("endless", ["a device", "a pipe"])
@pytest.mark.parametrize(
    ("error", "read"),
    [
        (TokenFileError, lambda path: TokenRing(path).reload()),
        (BadAlertsError, read_alerts),
        (KernelError, lambda path: load_kernel(str(path))),
        (BracketsError, load_brackets),
        (TlsError, lambda path: ServerTls.of(Settings(tls_cert=str(path), tls_key=str(path)))),
        (BadSettingError, lambda path: load_settings(redis_url_file=str(path))),
    ],
    ids=["tokens", "alerts", "kernel", "brackets", "certificate", "secret"],
)
def test_what_has_no_end_is_one_line(
    error: type[Exception], read: Callable[[Path], object], endless: str, tmp_path: Path
) -> None:
    """It took all memory, or waited for ever, as did a reload."""
    path = Path("/dev/zero")
    if endless == "a pipe":
        path = tmp_path / "pipe"
        os.mkfifo(path)
    with pytest.raises(error, match="a device or a pipe") as refused:
        read(path)
    assert len(str(refused.value).splitlines()) == 1
