"""Write the parts of the docs that are made from the code (`make docs`); tests/test_docs.py checks them."""

from __future__ import annotations

import re
from pathlib import Path

import click

from liqstream.cli import VERBS, main
from liqstream.cli.show_config import env_template, markdown_table, setting_rows
from liqstream.settings.table import Settings
from liqstream.wire.close_codes import CLOSE_CODES, CloseCode
from tests.docs.docs_schemas import with_snapshot_schemas

ROOT = Path(__file__).resolve().parents[2]


def default_rows_text() -> tuple[str, str]:
    """(.env.template, table of docs/configuration.md) as the settings table makes them."""
    rows = setting_rows(Settings(_env_file=None))
    return env_template(rows), markdown_table(rows)


def close_codes_table() -> str:
    """Every close code of the server's own table."""
    rows = ["| code | name | meaning | reconnect? |", "|---|---|---|---|"]
    rows += [
        f"| {code.code} | {code.name} | {code.reason} | {'yes' if code.reconnect else 'no'} |"
        for code in sorted(CLOSE_CODES.values(), key=lambda code: code.code)
    ]
    return "\n".join(rows) + "\n"


def final_codes() -> str:
    """The close codes after which nobody should reconnect, as both clients list them."""
    return ", ".join(str(code.code) for code in sorted(CLOSE_CODES.values(), key=_code) if not code.reconnect)


def _code(code: CloseCode) -> int:
    return code.code


def with_final_codes(text: str, mark: str) -> str:
    """A client's source with the list between marks that begin with `mark`. Raises LookupError."""
    pattern = rf"({mark} close codes: [^\n]*\n[^\d]*)[\d, ]+(.*?\n{mark} /close codes\n)"
    text, count = re.subn(pattern, lambda found: f"{found[1]}{final_codes()}{found[2]}", text)
    if count != 1:
        raise LookupError(f"{count} places for the final close codes instead of one")
    return text


def verbs_reference() -> str:
    """The help of every verb."""
    parent = click.Context(main, info_name="liqstream", **main.context_settings)
    texts = []
    for verb in VERBS:
        command = main.get_command(parent, verb)
        if command is None:
            raise LookupError(verb)
        context = click.Context(command, parent, info_name=verb, terminal_width=100, max_content_width=100)
        texts.append(f"### `liqstream {verb}`\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(texts)


def with_part(text: str, name: str, part: str) -> str:
    """`text` with `part` between its `<!-- name` and `<!-- /name -->` marks."""
    pattern = rf"(<!-- {name}[^\n]*-->\n).*?(<!-- /{name} -->)"
    return re.sub(pattern, lambda found: f"{found[1]}{part}{found[2]}", text, flags=re.DOTALL)


def part_of(text: str, name: str) -> str:
    """What stands between the marks of `name`."""
    return re.split(rf"<!-- /?{name}(?::[^\n]*)? ?-->\n?", text)[1]


def expected_files() -> dict[Path, str]:
    """Every file that is made, wholly or in part, and what it should hold."""
    template, table = default_rows_text()
    parts = {
        ("configuration.md", "settings"): table,
        ("websocket_api.md", "close codes"): close_codes_table(),
        ("cli.md", "verbs"): verbs_reference(),
    }
    files = {ROOT / ".env.template": template}
    for (name, mark), part in parts.items():
        path = ROOT / "docs" / name
        files[path] = with_part(path.read_text(), mark, part)
    for name in ("asyncapi.yaml", "openapi.yaml"):
        files[ROOT / "docs" / name] = with_snapshot_schemas((ROOT / "docs" / name).read_text())
    for name, mark in (("liqstream/client/reconnect.py", "#"), ("web/js/wire/reconnect.js", "//")):
        files[ROOT / name] = with_final_codes((ROOT / name).read_text(), mark)
    return files


if __name__ == "__main__":
    for path, text in expected_files().items():
        path.write_text(text)
