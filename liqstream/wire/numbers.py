"""Numbers in JSON: a whole one without its `.0`, in the stream, in REST and in Redis alike."""

from __future__ import annotations

_EXACT = 2**53
"""Up to here every reader of JSON keeps an integer as it is."""


def json_number(value: float) -> float:
    """`value`, as an int if it is whole: `90000`, not `90000.0`, a tenth of the bytes of a v1 message."""
    number = float(value)  # also of an int or a NumPy scalar
    return int(number) if number.is_integer() and abs(number) <= _EXACT else number
