"""Whole numbers are written without a fraction, and no number changes."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from liqstream.wire.numbers import json_number


@given(st.floats(allow_nan=False))
def test_a_number_stays_what_it_is(value: float) -> None:
    """Also beyond the integers a reader of JSON keeps exactly, which stay floats."""
    number = json_number(value)
    assert number == value
    assert isinstance(number, int) == (value.is_integer() and abs(value) <= 2**53)


def test_other_kinds_of_numbers() -> None:
    """Integers and NumPy's floats become what JSON encoders know; NaN is passed on."""
    assert repr([json_number(3), json_number(np.float64(2.0)), json_number(np.float64(0.5))]) == "[3, 2, 0.5]"
    assert math.isnan(json_number(math.nan))
