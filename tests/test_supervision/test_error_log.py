"""Unforeseen errors in the log: each kind once in ten minutes."""

from __future__ import annotations

from structlog.testing import capture_logs

from liqstream.supervision.error_log import MAX_KINDS, SAME_FOR_S, ErrorLog, in_one_line, in_words


def raised(kind: type[Exception] = ValueError, text: str = "broken\nin two lines") -> Exception:
    """An error with a traceback, always of the same place."""
    try:
        raise kind(text)
    except kind as error:
        return error


def test_the_same_error_is_one_line_with_a_traceback() -> None:
    """Twenty times in ten minutes; then again, with how often it came. Another place is another error."""
    now_s = 0.0
    errors = ErrorLog(lambda: now_s)
    with capture_logs() as lines:
        for _ in range(20):
            now_s += SAME_FOR_S / 21
            errors.report("task failed", raised(), task="retention")
        (line,) = lines
        assert line["exc_info"].__traceback__ is not None
        assert line["reason"] == "ValueError: broken"
        now_s = 2 * SAME_FOR_S
        errors.report("task failed", raised(), task="retention")
        assert lines[1]["unlogged"] == 19
        errors.report("task failed", raised(), task="alerts-maps")
        errors.report("task failed", raised(KeyError), task="retention")
        errors.report("task failed", ValueError("of no place"), task="retention")
    assert len(lines) == 5


def test_what_is_remembered_is_bounded() -> None:
    """However many kinds of error there are."""
    errors = ErrorLog(lambda: 0.0)
    with capture_logs() as lines:
        for number in range(2 * MAX_KINDS):
            errors.report("task failed", raised(), task=str(number))
        errors.report("task failed", raised(), task="0")
    assert len(lines) == 2 * MAX_KINDS + 1


def test_an_error_in_words_is_one_line() -> None:
    """Also one without a text, or with a long one."""
    assert in_words(KeyError()) == "KeyError"
    assert len(in_words(ValueError("x" * 10_000))) < 300


def test_text_of_others_stands_in_one_line() -> None:
    """Without what a terminal would obey, and of bearable length."""
    assert in_one_line("a\n b\x1b[31m\u202e") == "a b\\x1b[31m\\u202e"
    assert in_one_line("x" * 300) == "x" * 300
    assert in_one_line("x" * 10**6) == "x" * 300 + "..."
