"""How often: a bucket of tokens per connection or address, refilled by the clock."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

Clock = Callable[[], float]
"""Seconds, only ever growing."""


@dataclass(slots=True)
class TokenBucket:
    """`burst` at once, then `rate_per_s` on average."""

    rate_per_s: float
    burst: float
    clock: Clock = monotonic
    _tokens: float = -1.0
    _filled_s: float = 0.0

    def __post_init__(self) -> None:
        self._tokens, self._filled_s = self.burst, self.clock()

    def take(self) -> float:
        """0 if there was a token to take, else the seconds until there is one."""
        self._refill()
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self.rate_per_s

    def charge(self, tokens: float) -> None:
        """Take what something did cost, if need be of what comes in later: at most a whole burst of that."""
        self._refill()
        self._tokens = max(-self.burst, self._tokens - tokens)

    def _refill(self) -> None:
        now_s = self.clock()
        self._tokens = min(self.burst, self._tokens + (now_s - self._filled_s) * self.rate_per_s)
        self._filled_s = now_s

    @property
    def is_full(self) -> bool:
        """Nothing was taken for long: forgetting the bucket changes nothing."""
        self._refill()
        return self._tokens >= self.burst


class KeyedLimiter:
    """One bucket per key, at most `max_keys` of them: an attacker with many addresses cannot fill memory.

    The bucket that was asked longest ago makes room for a new one.
    """

    def __init__(
        self, rate_per_s: float, burst: float, *, max_keys: int = 20_000, clock: Clock = monotonic
    ) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._max_keys = max_keys
        self._clock = clock
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, key: str) -> float:
        """0 if `key` may go on, else the seconds until it may."""
        return self._bucket(key).take()

    def charge(self, key: str, tokens: float) -> None:
        """Take what a request of `key` did cost beyond its first token."""
        self._bucket(key).charge(tokens)

    def _bucket(self, key: str) -> TokenBucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rate_per_s, self._burst, self._clock)
            self._forget_old()
        self._buckets.move_to_end(key)
        return bucket

    def _forget_old(self) -> None:
        while len(self._buckets) > 1:
            oldest = next(iter(self._buckets.values()))
            if len(self._buckets) <= self._max_keys and not oldest.is_full:
                return
            self._buckets.popitem(last=False)

    def __len__(self) -> int:
        return len(self._buckets)
