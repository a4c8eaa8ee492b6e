"""Tests of credit grants."""

from dataclasses import replace

import pytest

from relayer.clock import UnixSeconds
from relayer.errors import StateMovedError
from relayer.store.grants import CreditGrant, GrantState
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.store.samples import ANN, BOB, CHAIN, UINT256_MAX, VAULT

FIRST = CreditGrant(
    message_id=b"\x01" * 32,
    chain_id=CHAIN,
    credit_line=VAULT,
    account=ANN,
    borrower=BOB,
    limit_units=UINT256_MAX,
    expiry_seconds=UnixSeconds(NOW),
    nonce=1,
    state=GrantState.SIGNED,
)
SECOND = replace(FIRST, message_id=b"\x02" * 32, nonce=2, expiry_seconds=UnixSeconds(NOW + 9))
OTHER = replace(FIRST, message_id=b"\x03" * 32, account=BOB, state=GrantState.LAPSED)


def stored(store: Store) -> None:
    """Store three grants."""
    with store.unit_of_work() as uow:
        for grant in (SECOND, FIRST, OTHER):
            uow.grants.upsert(grant)


def test_a_grant_counts_while_it_is_signed_or_granted(store: Store) -> None:
    """Up to its last second; an expired one counts for its account until it is declared over."""
    stored(store)

    with store.read() as uow:
        assert uow.grants.active(ANN) == (FIRST, SECOND)
        assert uow.grants.active(BOB) == ()
        assert uow.grants.expired(UnixSeconds(NOW + 1)) == (FIRST,)
        assert uow.grants.get(FIRST.message_id) == FIRST
        assert uow.grants.get(ANN) is None


def test_a_grant_moves_from_the_expected_state_only(store: Store) -> None:
    """Two processes do not move it twice."""
    stored(store)

    with store.unit_of_work() as uow:
        uow.grants.set_state(FIRST.message_id, GrantState.SIGNED, GrantState.GRANTED)
        with pytest.raises(StateMovedError, match="SIGNED"):
            uow.grants.set_state(FIRST.message_id, GrantState.SIGNED, GrantState.LAPSED)
        uow.grants.upsert(replace(FIRST, state=GrantState.REPLACED))

        assert uow.grants.active(ANN) == (SECOND,)
