"""Countersign: what an owner with a Solana wallet signed counts as what an EVM key signed."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chains.attestation import SIGNATURE_BYTES
from chains.command import LinkOwner, SignedCommand
from chains.devnet.wallet_vectors import refused_signatures
from relayer.clock import FixedClock
from relayer.errors import RefusedError
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.steps.learn import learn
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    BOB,
    CHAIN_B,
    HUB,
    SOL,
    SOL_LINK,
    SOL_OPEN,
    SOL_TWO,
    SOLANA,
    UNLOCK,
    with_solana,
)
from tests.relayer.steps.mutations import refused
from tests.relayer.steps.world import (
    HEIGHT,
    SIGNATORY,
    SIGNED_OPEN,
    catalog_of_world,
    request_of,
    see_final,
    settled_world,
    signed,
)


@pytest.fixture
def catalog() -> Catalog:
    """The world, with a Solana chain."""
    return with_solana(catalog_of_world())


@pytest.fixture(scope="module")
def store(databases: TestDatabases) -> Iterator[Store]:
    """A guardian's store that has seen every chain; each test asks for another command."""
    with databases.store("sqlite", FixedClock(NOW)) as made:
        settled_world(made)
        see_final(made, SOLANA, HEIGHT)
        yield made


def test_an_unlinked_solana_wallet_is_refused(store: Store, catalog: Catalog) -> None:
    """A right signature of somebody else."""
    request = request_of(signed(UNLOCK, SOL_TWO), context=(SIGNED_OPEN,))

    assert "signer_not_owner" in str(refused(store, catalog, request))


@pytest.mark.parametrize("name", refused_signatures())
def test_a_broken_signature_is_refused(store: Store, catalog: Catalog, name: str) -> None:
    """Each of the vectors, as the request's signature and as that of a context's opening."""
    _, signature = refused_signatures()[name]
    opening = SignedCommand(SOL_OPEN, (signature,))

    asked = request_of(SignedCommand(UNLOCK, (signature,)))
    assert "signature_invalid" in str(refused(store, catalog, asked))
    told = request_of(signed(UNLOCK, ANN), context=(SIGNED_OPEN, opening))
    assert "signature_invalid" in str(refused(store, catalog, told))
    with store.read() as uow:
        assert uow.accounts.account(SOL_OPEN.account) is None


@pytest.mark.parametrize(
    ("link", "word"),
    [
        (signed(LinkOwner(ACCOUNT, SOLANA, BOB.address), ANN, BOB), "is an EVM address"),
        (signed(LinkOwner(ACCOUNT, CHAIN_B, SOL.address), ANN, SOL), "left-padded EVM address"),
        (signed(replace(SOL_LINK, owner=SOL_TWO.address), ANN, SOL), "not signed by both"),
        (signed(SOL_LINK, SOL, SOL), "not signed by both"),
        (signed(LinkOwner(ACCOUNT, SOLANA, bytes(32)), ANN, BOB), "not signed by both"),
    ],
)
def test_a_guardian_links_nobody_who_is_none_on_the_chain(
    store: Store, catalog: Catalog, link: SignedCommand, word: str
) -> None:
    """Though all who had to have signed."""
    with pytest.raises(RefusedError, match=word), store.unit_of_work() as uow:
        learn(uow, catalog, (SIGNED_OPEN, link))

    with store.read() as uow:
        assert not uow.accounts.owners(ACCOUNT)


def test_a_linked_solana_wallet_is_signed_for(store: Store, catalog: Catalog) -> None:
    """The guardian verifies opening, link and request itself, each in its own form."""
    request = request_of(signed(UNLOCK, SOL), context=(SIGNED_OPEN, signed(SOL_LINK, ANN, SOL)))

    assert len(countersign(store, catalog, SIGNATORY, request)) == SIGNATURE_BYTES

    with store.read() as uow:
        assert uow.accounts.is_owner(ACCOUNT, SOLANA, SOL.address)
        stored = uow.commands.command(UNLOCK.digest(HUB))
    assert stored is not None
    assert stored.signed == signed(UNLOCK, SOL)


def test_a_guardian_learns_an_account_that_a_solana_wallet_opened(
    quick_store: Store, catalog: Catalog
) -> None:
    """And that the wallet linked an EVM address."""
    link = LinkOwner(SOL_OPEN.account, CHAIN_B, BOB.address)

    with quick_store.unit_of_work() as uow:
        learn(uow, catalog, (signed(SOL_OPEN, SOL), signed(link, SOL, BOB)))

    with quick_store.read() as uow:
        assert uow.accounts.is_owner(SOL_OPEN.account, None, SOL.address)
        assert uow.accounts.is_owner(SOL_OPEN.account, CHAIN_B, BOB.address)
