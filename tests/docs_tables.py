"""Write the parts of the docs that are made from the code (`make docs`); tests/test_docs.py checks them."""

from __future__ import annotations

import re
from pathlib import Path

from liqstream.cli.show_config import env_template, markdown_table, setting_rows
from liqstream.settings import Settings

ROOT = Path(__file__).resolve().parents[1]


def default_rows_text() -> tuple[str, str]:
    """(.env.template, table of docs/configuration.md) as the settings table makes them."""
    rows = setting_rows(Settings(_env_file=None))
    return env_template(rows), markdown_table(rows)


def with_part(text: str, name: str, part: str) -> str:
    """`text` with `part` between its `<!-- name` and `<!-- /name -->` marks."""
    pattern = rf"(<!-- {name}[^\n]*-->\n).*?(<!-- /{name} -->)"
    return re.sub(pattern, lambda found: f"{found[1]}{part}{found[2]}", text, flags=re.DOTALL)


def expected_files() -> dict[Path, str]:
    """Every file that is made, wholly or in part, and what it should hold."""
    template, table = default_rows_text()
    configuration = ROOT / "docs" / "configuration.md"
    return {
        ROOT / ".env.template": template,
        configuration: with_part(configuration.read_text(), "settings", table),
    }


if __name__ == "__main__":
    for path, text in expected_files().items():
        path.write_text(text)
