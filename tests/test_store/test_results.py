"""liqstream/store/results.py: accounts add up, and columns are as long as their times."""

from __future__ import annotations

import numpy as np

from liqstream.store.results import AppendResult, FundingColumns


def test_accounts_of_batches_add_up() -> None:
    """Figure by figure."""
    assert AppendResult(1, 2, 3) + AppendResult(10, 20, 30) == AppendResult(11, 22, 33)
    assert AppendResult() + AppendResult() == AppendResult()


def test_columns_know_their_length() -> None:
    """That of every column."""
    assert len(FundingColumns(np.arange(3, dtype=np.int64), np.zeros(3))) == 3
