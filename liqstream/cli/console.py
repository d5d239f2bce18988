"""The one way to a terminal: what is shown is shown as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import TextColumn
from rich.text import Text

from liqstream.cli.stdout_guard import discard_stdout


def make_console(*, stderr: bool = False, pipe_width: int | None = None) -> Console:
    """A console that takes no text for markup or emoji: `[speed]` and `:x:` stay, figures get no colour.

    `pipe_width` is the width where there is no terminal; None leaves it to Rich.
    """
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if pipe_width is not None and not console.is_terminal:
        console.width = pipe_width
    return console


def announce(text: str) -> None:
    """Show where a server is; it goes on where nobody can read that (`| head`, a full disk)."""
    try:
        click.echo(text)
    except OSError:
        discard_stdout()


def text_column(template: str) -> TextColumn:
    """A column of a progress display, whose texts are file names and not markup."""
    return TextColumn(template, markup=False)


@contextmanager
def working(doing: str) -> Iterator[Callable[[str], None]]:
    """Show on standard error that something takes its time; yields what changes the words."""
    with make_console(stderr=True).status(Text(doing)) as status:
        yield lambda text: status.update(Text(text))
