"""A secret stands for its owner, and only its hash is ever kept."""

from __future__ import annotations

import hashlib

import pytest

from liqstream.alerts.owner import OWNER_HEADER, BadSecretError, owner_of


def test_an_owner_is_the_hash_of_the_bits() -> None:
    """As anybody can work it out; without a secret there is none."""
    assert owner_of("00ff" * 8) == hashlib.sha256(b"\x00\xff" * 8).hexdigest()
    assert owner_of("00fe" * 8) != owner_of("00ff" * 8)
    assert owner_of(None) is None


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "A" * 32, "g" * 32, "0" * 31 + "\n", "\u0660" * 32])
def test_what_is_no_secret_is_refused_without_repeating_it(text: str) -> None:
    """Too short, too long, other digits: a mistake must not become an owner of its own."""
    with pytest.raises(BadSecretError, match=OWNER_HEADER) as refused:
        owner_of(text)
    assert not text or text not in str(refused.value)
