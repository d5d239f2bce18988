"""The seed of what is tried at random: another each time, or that of a run to be repeated."""

from __future__ import annotations

import os
import random
import sys


def new_seed() -> int:
    """LIQSTREAM_TEST_SEED where that is set; printed, which pytest shows of a test that fails."""
    seed = int(os.environ.get("LIQSTREAM_TEST_SEED") or random.SystemRandom().randrange(2**31))
    sys.stdout.write(f"LIQSTREAM_TEST_SEED={seed}\n")
    return seed
