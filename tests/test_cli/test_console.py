"""Whatever is shown is shown as it is: no markup, no emoji, in lines, tables, waits and progress."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from rich.progress import Progress
from rich.table import Table

from liqstream.cli import console as console_module
from liqstream.cli.console import announce, make_console, text_column, working

TEXT = "pip install 'liqstream[speed]' :x: [/] 12"


def test_text_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """In a line, in a table's title, head and cells."""
    table = Table(title=TEXT)
    table.add_column(TEXT)
    table.add_row(TEXT)
    console = make_console(pipe_width=150)
    console.print(TEXT)
    console.print(table)
    assert capsys.readouterr().out.count(TEXT) == 4


def test_a_server_goes_on_without_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the line that says where it is: a pipe that is closed, a full disk."""
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        announce("liqstream is at http://127.0.0.1:8000")
        monkeypatch.undo()
        with suppress(OSError):
            full.close()


def test_progress_shows_names_as_they_are() -> None:
    """A file may be named like markup."""
    console = make_console(pipe_width=100)
    with Progress(text_column("{task.description}"), console=console, disable=True) as display:
        display.add_task(TEXT)
        with console.capture() as shown:
            console.print(display.get_renderable())
    assert TEXT in shown.get()


def test_what_takes_its_time_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error of a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with working("waiting") as say:
        say(TEXT)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert TEXT in re.sub("\x1b[^a-zA-Z]*[a-zA-Z]", "", shown.err)


def test_there_is_no_other_way_to_a_terminal() -> None:
    """Every console of the package is made by the factory."""
    package = Path(console_module.__file__).parents[1]
    ways = re.compile(r"\b(Console|TextColumn)\(|rich\.print|\.status\(")
    makers = {path.name for path in package.rglob("*.py") if ways.search(path.read_text())}
    assert makers == {"console.py"}
