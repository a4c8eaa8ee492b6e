"""Tests of identity and halts."""

import pytest

from chains.errors import WrongChainError
from relayer.store.unit_of_work import Store
from tests.relayer.store.samples import CHAIN, OTHER_CHAIN


def test_a_chain_keeps_its_identity(store: Store) -> None:
    """A node of another chain is refused, by number and by first block."""
    with store.unit_of_work() as uow:
        uow.chains.remember_identity(CHAIN, "31337", b"\x01" * 32)
        uow.chains.remember_identity(CHAIN, "31337", b"\x01" * 32)

    with store.unit_of_work() as uow:
        with pytest.raises(WrongChainError, match="genesis hash"):
            uow.chains.remember_identity(CHAIN, "31337", b"\x02" * 32)
        with pytest.raises(WrongChainError, match="reference"):
            uow.chains.remember_identity(CHAIN, "31338", b"\x01" * 32)


def test_a_halt_lasts_until_it_is_resumed_and_stops_no_other_chain(store: Store) -> None:
    """The first reason stays; resuming needs a new one."""
    with store.unit_of_work() as uow:
        uow.chains.halt(CHAIN, "finality_violation")
        uow.chains.halt(CHAIN, "something else")

    with store.unit_of_work() as uow:
        assert uow.chains.is_halted(CHAIN)
        assert not uow.chains.is_halted(OTHER_CHAIN)
        assert [halt.reason for halt in uow.chains.halts()] == ["finality_violation"]
        uow.chains.resume(CHAIN, "checked with a second node")
        assert not uow.chains.is_halted(CHAIN)
