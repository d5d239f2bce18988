"""Every seq is accounted for once, whatever is lost, skipped, stated by warnings or missed while away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from liqstream.client.account import AccountKeeper
from liqstream.client.messages import StreamPosition

steps = st.lists(
    st.one_of(
        st.tuples(st.just("state"), st.integers(1, 9), st.integers(0, 9)),
        st.tuples(st.just("warning"), st.integers(0, 6), st.just(0)),
        st.tuples(st.just("reconnect"), st.just(0), st.just(0)),
        st.tuples(st.just("epoch"), st.just(0), st.just(0)),
        st.tuples(st.just("drop"), st.just(0), st.just(0)),
        st.tuples(st.just("again"), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@given(steps)
def test_the_identity_holds_summed_over_epochs(script: list[tuple[str, int, int]]) -> None:
    """last - first = received - 1 + skipped + dropped + missed + away; nothing is ever below 0."""
    keeper, epoch, seq = AccountKeeper(), 1, 0
    distance, segments, begins = 0, 0, True
    for kind, count, skipped in script:
        match kind:
            case "state":
                assert keeper.count(StreamPosition(epoch, seq + count), skipped)
                segments += begins
                distance += 0 if begins else count
                seq, begins = seq + count, False
            case "warning":
                keeper.take_dropped(count)
            case "reconnect":
                keeper.connection_lost()
            case "epoch":
                epoch, seq, begins = epoch + 1, 0, True
            case "drop":
                keeper.begin_anew()
                begins = True
            case "again" if not begins and not keeper._is_fresh:
                assert not keeper.count(StreamPosition(epoch, seq), 0)
        account = keeper.account
        explained = account.skipped + account.dropped + account.missed + account.away
        assert distance == account.received - segments + explained
        assert min(account.missed, account.dropped, account.skipped, account.away) >= 0
