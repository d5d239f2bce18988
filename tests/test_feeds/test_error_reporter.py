"""A feed's problems: in its status as long as they last, in the log once."""

from __future__ import annotations

from structlog.testing import capture_logs

from liqstream.feeds.error_reporter import SHOWN, ErrorReporter
from liqstream.feeds.feed import FeedStatus

NOW_MS = 1_790_000_000_000


def reporter_of(status: FeedStatus) -> ErrorReporter:
    return ErrorReporter("x", status, lambda: NOW_MS)


def test_a_problem_is_logged_again_only_after_it_was_over() -> None:
    """However often it is met."""
    status = FeedStatus()
    reporter = reporter_of(status)
    with capture_logs() as logs:
        reporter.report("socket", "no answer")
        reporter.report("socket", "no answer")
        assert (len(logs), status.last_error) == (1, "no answer")
        reporter.clear("socket")
        assert status.last_error == ""
        reporter.report("socket", "no answer")
    assert [entry.get("reason") for entry in logs] == ["no answer", None, "no answer"]


def test_every_problem_there_is_stays_in_the_status() -> None:
    """One that is over leaves the others; the newest comes first, the next try is the earliest."""
    status = FeedStatus()
    reporter = reporter_of(status)
    reporter.report("topic a", "a is refused", 3600)
    reporter.report("socket", "no answer", 1.5)
    assert (status.last_error, status.next_try_ms) == ("no answer; a is refused", NOW_MS + 1500)
    reporter.clear("socket")
    assert (status.last_error, status.next_try_ms) == ("a is refused", NOW_MS + 3_600_000)
    reporter.clear("topic a")
    assert (status.last_error, status.next_try_ms) == ("", None)
    for number in range(SHOWN + 2):
        reporter.report(str(number), f"problem {number}")
    assert status.last_error.endswith("(and 2 more)")


def test_a_password_is_not_shown() -> None:
    """Nor a text of many lines."""
    status = FeedStatus()
    reporter_of(status).report("REST", "http://me:secret@here\nfails")
    assert status.last_error == "http://***@here fails"


def test_an_unreadable_response_is_counted() -> None:
    """As a bad message, with what it was about."""
    status = FeedStatus()
    reporter_of(status).count_unreadable("BTCUSDT", KeyError("time"))
    assert status.bad_messages == 1
    assert "BTCUSDT" in status.last_error


def test_of_many_bad_messages_the_first_are_shown() -> None:
    """A flood leaves a short log."""
    with capture_logs() as logs:
        for count in range(1, 2001):
            reporter_of(FeedStatus()).sample("bad message", count, "z" * 999)
    assert [entry["count"] for entry in logs] == [1, 2, 3, 1000, 2000]
    assert {len(entry["text"]) for entry in logs} == {300}


def test_notes_are_no_errors() -> None:
    """The first of each is logged; its figures may change with each look."""
    status = FeedStatus()
    reporter = reporter_of(status)
    with capture_logs() as logs:
        for text in ("31 min", "32 min"):
            reporter.note("liquidations", text)
        reporter.note("delisting", "on Monday")
        assert (status.note, status.last_error, len(logs)) == ("32 min; on Monday", "", 2)
        reporter.note("liquidations", "")
    assert status.note == "on Monday"


def test_what_is_shown_of_a_kind_is_all_there_is_of_it() -> None:
    """Others stay."""
    status = FeedStatus()
    reporter = reporter_of(status)
    reporter.report("socket", "no answer")
    reporter.show("symbol ", {"A": "not listed", "B": "paused"}, 1.0)
    reporter.show("symbol ", {"B": "paused"}, 1.0)
    assert status.last_error == "paused; no answer"
