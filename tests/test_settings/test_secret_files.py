"""liqstream/settings/secret_files.py: whose copy is read, and what a file with one setting must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from liqstream.settings.load import BadSettingError, load_settings
from liqstream.settings.secret_files import CREDENTIALS, SecretFileError, secret_path, secret_value


def test_a_copy_is_read_in_the_place_of_what_is_named(tmp_path: Path) -> None:
    """That of the service first, then systemd's, then the file itself; a copy may come and go."""
    named = tmp_path / "etc" / "tokens"
    own, systemd = tmp_path / "own", tmp_path / "systemd"
    environ = {CREDENTIALS: str(systemd)}
    for folder in (own, systemd):
        folder.mkdir()
        assert secret_path(named, str(own), environ) == named
    (systemd / "tokens").write_text("a")
    assert secret_path(named, str(own), environ) == systemd / "tokens"
    assert secret_path(named, "", {}) == named
    (own / "tokens").write_text("b")
    assert secret_path(str(named), str(own), environ) == own / "tokens"
    (own / "tokens").unlink()
    assert secret_path(named, str(own), environ) == systemd / "tokens"


def test_a_setting_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the folder of secrets too; the command line is stronger, and the value is judged as any other."""
    file = tmp_path / "redis"
    file.write_text("redis://:secret@db:6379\n")
    monkeypatch.setenv("REDIS_URL_FILE", str(file))
    assert load_settings().redis_url == "redis://:secret@db:6379"
    assert load_settings(redis_url="redis://other").redis_url == "redis://other"
    monkeypatch.setenv("REDIS_URL_FILE", "/etc/liqstream/secrets/redis")
    monkeypatch.setenv("LIQSTREAM_SECRETS_DIR", str(tmp_path))
    assert load_settings().redis_url == "redis://:secret@db:6379"
    monkeypatch.setenv("REDIS_URL", "redis://here")
    with pytest.raises(BadSettingError, match="REDIS_URL and REDIS_URL_FILE are both set"):
        load_settings()
    monkeypatch.delenv("REDIS_URL")
    proxy = tmp_path / "proxy"
    proxy.write_text("ftp://u:secret@proxy")
    monkeypatch.setenv("LIQSTREAM_PROXY_FILE", str(proxy))
    with pytest.raises(BadSettingError, match=rf"^LIQSTREAM_PROXY=.*, read from {proxy}: must") as refused:
        load_settings()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "one line"),
        (b"a\nb", "one line"),
        (b"\xff", "no text"),
        (b"a" * 9000, "one line"),
        (None, "No such"),
    ],
)
def test_what_holds_no_setting_is_refused(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    """In one line that names the file and not what is in it."""
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SecretFileError, match=complaint) as refused:
        secret_value(file)
    assert str(file) in str(refused.value)
