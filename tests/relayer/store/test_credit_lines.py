"""States of credit lines: the newest by height, and the index between two readings."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from relayer.clock import UnixSeconds
from relayer.money import RAY
from relayer.store.credit_lines import CreditLineState
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.store.samples import CHAIN, TOKEN, VAULT

STATE = CreditLineState(CHAIN, VAULT, RAY, UnixSeconds(NOW), 10**18, 7)


def test_a_state_is_found_by_chain_and_contract(store: Store) -> None:
    """Large numbers come back as they went."""
    large = replace(STATE, index_ray=2**256 - 1, rate_per_second_ray=2**255)
    with store.unit_of_work() as uow:
        uow.credit_lines.record(large)

    with store.read() as uow:
        assert uow.credit_lines.get(CHAIN, VAULT) == large
        assert uow.credit_lines.get(CHAIN, TOKEN) is None


def test_a_newer_reading_replaces_an_older_one_and_never_the_reverse(store: Store) -> None:
    """A reading of the same height replaces: the block may be another one."""
    older, same, newer = (
        replace(STATE, height=height, index_ray=RAY + height) for height in (6, 7, 8)
    )
    found = []
    for state in (STATE, older, same, newer):
        with store.unit_of_work() as uow:
            uow.credit_lines.record(state)
            found.append(uow.credit_lines.get(CHAIN, VAULT))

    assert found == [STATE, STATE, same, newer]


def test_the_index_grows_by_the_second_rounded_up() -> None:
    """index + index * rate * elapsed / 1e27, as the contract does."""
    assert STATE.index_at(UnixSeconds(NOW)) == RAY
    assert STATE.index_at(UnixSeconds(NOW + 3)) == RAY + 3 * 10**18
    assert replace(STATE, index_ray=1).index_at(UnixSeconds(NOW + 1)) == 2


@given(before=st.integers(0, 10**9), after=st.integers(0, 10**9))
def test_the_index_never_falls(before: int, after: int) -> None:
    """A moment before the reading counts as the reading."""
    early, late = sorted((before, after))

    assert STATE.index_at(UnixSeconds(NOW - early)) == RAY
    assert STATE.index_at(UnixSeconds(NOW + early)) <= STATE.index_at(UnixSeconds(NOW + late))
