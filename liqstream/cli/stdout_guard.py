"""What every verb does where its standard output cannot be written: a full disk, a closed pipe."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_NAME = "standard output"


class _Stdout(io.FileIO):
    """The descriptor of standard output; its errors name it, which sets them apart from other files'."""

    def write(self, data: Any, /) -> int:
        """As a file's. Raises OSError with standard output as its file's name."""
        try:
            return super().write(data)
        except OSError as error:
            error.filename = _NAME
            raise


@contextmanager
def guard_stdout() -> Iterator[None]:
    """Around a verb: exit code 1 where standard output takes no more, with one line that says why.

    A closed pipe (`| head -1`) needs no line. Errors of other files pass through.
    """
    _name_stdout()
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except BaseException as error:
        failure = _failure_in(error) or _failure_of_the_rest()
        if failure is None:
            raise
        discard_stdout()
        if not isinstance(failure, BrokenPipeError):
            with suppress(OSError):  # standard error may be the same file
                print(f"Error: cannot write to {_NAME}: {failure.strerror}", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None


def discard_stdout() -> None:
    """Send what is printed from now on, and what is buffered still, nowhere."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _name_stdout() -> None:
    """Put a descriptor whose errors name it under `sys.stdout`, unless that is another's or closed."""
    plain = sys.stdout
    if plain is None or plain is not sys.__stdout__ or not isinstance(plain, io.TextIOWrapper):
        return
    raw = _Stdout(plain.fileno(), "wb", closefd=False)
    unbuffered = isinstance(plain.buffer, io.RawIOBase)
    sys.stdout = io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding=plain.encoding,
        errors=plain.errors,
        line_buffering=plain.line_buffering,
        write_through=unbuffered,
    )


def _failure_in(error: BaseException | None) -> OSError | None:
    """The error of standard output that an error is, or was raised in dealing with."""
    while error is not None and not (isinstance(error, OSError) and error.filename == _NAME):
        error = error.__cause__ or error.__context__
    return error


def _failure_of_the_rest() -> OSError | None:
    """What stands in the way of writing what is buffered still."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        return error if error.filename == _NAME else None
    return None
