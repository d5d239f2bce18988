"""liqstream/settings/own_address.py: what a health check reads is what the server reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liqstream.settings.load import BadSettingError, load_settings
from liqstream.settings.own_address import OwnAddress, own_address

NAMES = ("LIQSTREAM_HOST", "LIQSTREAM_PORT", "LIQSTREAM_TLS_CERT", "LIQSTREAM_HEALTH_SOCKET")
VALUES = st.sampled_from(["", "0", "8123", "65536", "-1", "+8", "8_0", "eight", "::", "a.pem", "/run/x.sock"])
GIVEN = st.dictionaries(st.sampled_from(NAMES), VALUES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(around=GIVEN, in_file=GIVEN | st.none())
def test_it_is_what_the_whole_table_says(
    around: dict[str, str], in_file: dict[str, str] | None, tmp_path: Path
) -> None:
    """By environment, `.env` and defaults; what it does not know it leaves to the table."""
    file = tmp_path / ".env"
    file.unlink(missing_ok=True)
    if in_file is not None:
        file.write_text("".join(f"{name}='{value}'\n" for name, value in in_file.items()))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in around.items():
            patch.setenv(name, value)
        found = own_address()
        try:
            whole = load_settings()
        except BadSettingError:
            assert found is None
            return
    if found is not None:
        assert found == OwnAddress(whole.host, whole.port, whole.tls_cert, whole.health_socket)
    else:
        assert not around.get("LIQSTREAM_PORT", (in_file or {}).get("LIQSTREAM_PORT", "8000")).isdecimal()
