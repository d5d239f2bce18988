"""What arrived of one symbol's stream, and what did not: every seq accounted for once.

web/js/wire/account.js keeps the same figures by the same rules; tests/client_behaviours.json holds both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .messages import StreamPosition


@dataclass(frozen=True, slots=True)
class Account:
    """What arrived of a symbol's stream and what did not, over all connections.

    `received` messages, repeats aside; `skipped` were passed over by the update interval, `dropped` by
    backpressure, as SLOW_CONSUMER warnings say (`dropped_by_symbol`); `away` went by between two connections;
    `missed` is what seq shows to be lacking beyond these. `resyncs` counts the whole states requested.

    Within an epoch, and summed over epochs:
    last seq - first seq = received - 1 + skipped + dropped + missed + away.
    A state dropped because the server stands elsewhere begins anew, as an epoch does.
    """

    received: int = 0
    skipped: int = 0
    missed: int = 0
    dropped: int = 0
    away: int = 0
    resyncs: int = 0


class AccountKeeper:
    """Keeps one symbol's `account`."""

    def __init__(self) -> None:
        self.account = Account()
        self._last: StreamPosition | None = None  # of the last message counted; None: the next is a first one
        self._is_fresh = True  # nothing was counted on this connection yet
        self._unexplained = 0  # missed on this connection, and not stated by a warning yet
        self._announced = 0  # dropped by a warning's account, and their gap has not come yet

    def connection_lost(self) -> None:
        """What goes by from now on is `away`; warnings of this connection have nothing more to explain."""
        self._is_fresh = True
        self._unexplained = self._announced = 0

    def begin_anew(self) -> None:
        """The next message is the first of its kind: no gap leads to it."""
        self._last = None

    def add_resync(self) -> None:
        """A whole state was requested."""
        self.account = replace(self.account, resyncs=self.account.resyncs + 1)

    def count(self, at: StreamPosition, skipped: int) -> bool:
        """Count a message that is no repeat; False, and not counted, if this connection was past it."""
        last, account = self._last, self.account
        is_newer = last is None or (at.epoch, at.seq) > (last.epoch, last.seq)
        if not is_newer and not self._is_fresh:
            return False
        account = replace(account, received=account.received + 1)
        if last is not None and is_newer and last.epoch == at.epoch:
            gap = at.seq - last.seq - 1
            if self._is_fresh:
                account = replace(account, away=account.away + gap)
            else:
                account = self._explain(account, gap, min(skipped, gap))
        self.account, self._last, self._is_fresh = account, at, False
        return True

    def take_dropped(self, count: int) -> None:
        """A warning states drops: they are no longer missed, or will not be once their gap has come."""
        explained = min(count, self._unexplained)
        self._unexplained -= explained
        self._announced += count - explained
        account = self.account
        self.account = replace(
            account, missed=account.missed - explained, dropped=account.dropped + explained
        )

    def _explain(self, account: Account, gap: int, skipped: int) -> Account:
        dropped = min(gap - skipped, self._announced)
        missed = gap - skipped - dropped
        self._announced -= dropped
        self._unexplained += missed
        return replace(
            account,
            skipped=account.skipped + skipped,
            dropped=account.dropped + dropped,
            missed=account.missed + missed,
        )
