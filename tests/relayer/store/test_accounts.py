"""Tests of margin accounts and their owners."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.errors import RefusedError
from relayer.store.accounts import AccountStatus, MarginAccount
from relayer.store.unit_of_work import Store, UnitOfWork

ETHEREUM = ChainId("eip155:1")
BASE = ChainId("eip155:8453")
ANN, BOB, EVE = b"\x0a" * 32, b"\x0b" * 32, b"\x0e" * 32
FIRST, SECOND = b"\x01" * 32, b"\x02" * 32
COMMAND = b"\xcc" * 32
AT = UnixSeconds(1_800_000_000)


def open_account(uow: UnitOfWork, account: bytes = FIRST, opener: bytes = ANN) -> AccountStatus:
    """Open an account of Ann's."""
    return uow.accounts.open(account, opener=opener, salt=b"\x05" * 32, command_id=COMMAND, at=AT)


def link(uow: UnitOfWork, owner: bytes = BOB, chain_id: ChainId = BASE) -> AccountStatus:
    """Link an owner to the first account."""
    return uow.accounts.link(FIRST, chain_id=chain_id, owner=owner, command_id=COMMAND, at=AT)


def test_an_opened_account_is_found_with_all_it_was_opened_with(store: Store) -> None:
    """What is stored is what was signed."""
    with store.unit_of_work() as uow:
        status = open_account(uow)

    with store.read() as uow:
        found = uow.accounts.account(FIRST)
        missing = uow.accounts.account(SECOND)
    assert status is AccountStatus.CREATED
    assert found == MarginAccount(FIRST, ANN, b"\x05" * 32, COMMAND, AT)
    assert missing is None


def test_opening_and_linking_twice_exists(store: Store) -> None:
    """A replay is no error and keeps the first one."""
    with store.unit_of_work() as uow:
        open_account(uow)
        link(uow)

    with store.unit_of_work() as uow:
        again = (open_account(uow, opener=EVE), link(uow))

    assert again == (AccountStatus.EXISTS, AccountStatus.EXISTS)
    with store.read() as uow:
        found = uow.accounts.account(FIRST)
        assert found is not None
        assert found.opener == ANN
        assert len(uow.accounts.owners(FIRST)) == 1


def test_an_owner_of_an_unknown_account_is_refused(store: Store) -> None:
    """The refusal names the account and the remedy."""
    with (
        pytest.raises(RefusedError, match=r"unknown_account: account 0x0101.*open it before"),
        store.unit_of_work() as uow,
    ):
        link(uow)


def test_owners_act_on_the_chains_they_are_linked_to(store: Store) -> None:
    """The opener acts everywhere, a linked address where it is linked, a stranger nowhere."""
    with store.unit_of_work() as uow:
        open_account(uow)
        link(uow, BOB, BASE)

    with store.read() as uow:
        is_owner = uow.accounts.is_owner
        assert is_owner(FIRST, ETHEREUM, ANN)
        assert is_owner(FIRST, None, ANN)
        assert is_owner(FIRST, BASE, BOB)
        assert is_owner(FIRST, None, BOB)
        assert not is_owner(FIRST, ETHEREUM, BOB)
        assert not is_owner(FIRST, None, EVE)
        assert not is_owner(SECOND, None, ANN)


def test_accounts_come_in_pages_without_gap_or_repeat(store: Store) -> None:
    """The id of the last one continues the list."""
    accounts = [bytes([number]) * 32 for number in range(1, 8)]
    with store.unit_of_work() as uow:
        for account in reversed(accounts):
            open_account(uow, account)

    with store.read() as uow:
        first = uow.accounts.accounts(limit=3)
        rest = uow.accounts.accounts(after=first[-1].account)

    assert [found.account for found in first + rest] == accounts


def test_owners_are_told_by_chain_and_address(store: Store) -> None:
    """Those who are linked, not who opened."""
    with store.unit_of_work() as uow:
        open_account(uow, FIRST, ANN)
        link(uow, BOB, BASE)
        link(uow, BOB, ETHEREUM)

    with store.read() as uow:
        owners = [(found.chain_id, found.owner) for found in uow.accounts.owners(FIRST)]
    assert owners == [(ETHEREUM, BOB), (BASE, BOB)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE margin_account SET opened_at = 1",
        "DELETE FROM margin_account",
        "UPDATE account_owner SET linked_at = 1",
        "DELETE FROM account_owner",
    ],
)
def test_accounts_and_owners_cannot_be_changed(store: Store, statement: str) -> None:
    """The database refuses, also raw SQL."""
    with store.unit_of_work() as uow:
        open_account(uow)
        link(uow)

    with pytest.raises(DBAPIError, match="append-only"), store.unit_of_work() as uow:
        uow.connection.execute(text(statement))
