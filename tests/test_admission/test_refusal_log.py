"""How often refusals are logged."""

from __future__ import annotations

from structlog.testing import capture_logs

from liqstream.admission.refusal_log import RefusalLog


def test_each_cause_now_and_then() -> None:
    """Again after ten minutes; of many causes only some."""
    now_s = 0.0
    refusals = RefusalLog(clock=lambda: now_s)
    with capture_logs() as lines:
        for _ in range(3):
            refusals.report("host_refused", "evil.example", host="evil.example")
        assert len(lines) == 1
        now_s = 601.0
        refusals.report("host_refused", "evil.example", host="evil.example")
        assert len(lines) == 2
        for number in range(1000):
            refusals.report("host_refused", str(number))
    assert 10 <= len(lines) <= 12
    assert lines[0] == {"event": "host_refused", "host": "evil.example", "log_level": "warning"}
