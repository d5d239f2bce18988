"""liqstream/model/far_store.py: nothing is lost beyond a book's array, and comes back where it was."""

from __future__ import annotations

import numpy as np

from liqstream.model.far_store import COARSE, FarStore


def levels(coarse_bins: int, seed: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).random((2, coarse_bins * COARSE))


def test_what_is_put_is_taken_back_coarsely() -> None:
    """Each coarse bin's sum is kept, and given back evenly; then it is gone."""
    store, put = FarStore(2), levels(4)
    assert not store
    store.put(-2, put)
    assert store
    taken = store.take(-2, 4)
    assert taken is not None
    np.testing.assert_allclose(taken.reshape(2, 4, COARSE).sum(axis=2), put.reshape(2, 4, COARSE).sum(axis=2))
    assert (np.diff(taken.reshape(2, 4, COARSE), axis=2) == 0).all()
    assert not store
    assert store.take(-2, 4) is None


def test_what_is_taken_lies_where_it_was_put() -> None:
    """Bins without anything are not kept, and asking from below them moves nothing."""
    store, put = FarStore(2), np.zeros((2, 4 * COARSE))
    put[:, 2 * COARSE : 3 * COARSE] = 1.0
    store.put(10, put)
    assert (store.first, store.usd.tolist()) == (12, [[COARSE], [COARSE]])
    taken = store.take(9, 5)
    assert taken is not None
    assert taken[0].reshape(5, COARSE).sum(axis=1).tolist() == [0, 0, 0, COARSE, 0]


def test_parts_add_up_and_are_taken_in_parts() -> None:
    """Beside what is kept, on top of it, and apart from it; the rest stays."""
    store = FarStore(2)
    store.put(10, levels(3))
    store.put(11, levels(1, 2))
    store.put(4, levels(2, 3))
    whole = levels(3).sum() + levels(1, 2).sum() + levels(2, 3).sum()
    assert np.isclose(store.usd.sum(), whole)
    assert store.first == 4
    first = store.take(0, 5)
    assert first is not None
    assert np.isclose(first.sum() + store.usd.sum(), whole)
    assert (store.first, store.usd.shape) == (5, (2, 8))
    store.put(0, np.zeros((2, 5 * COARSE)))
    assert store.first == 5


def test_a_copy_is_independent() -> None:
    """Whatever happens to the copy; what decays does so whole."""
    store = FarStore(2)
    store.put(0, levels(2))
    other = store.copy()
    other.scale(0.5)
    assert np.isclose(other.usd.sum(), store.usd.sum() / 2)
    other.put(0, levels(2))
    other.take(0, 1)
    assert np.isclose(store.usd.sum(), levels(2).sum())
