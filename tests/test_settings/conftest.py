"""No setting is around but what a test sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from liqstream.settings.load import setting_variable
from liqstream.settings.table import Settings


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(setting_variable(name), raising=False)
