"""Accept: one transaction per signed command, on both databases, whoever comes at once."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chains.command import Command, LinkOwner, Liquidation, OpenAccount, SignedCommand
from relayer import wiring
from relayer.clock import FixedClock
from relayer.errors import RefusedError
from relayer.guardian.request import LINKS_PER_ACCOUNT_MAX
from relayer.steps.accept import (
    Accepted,
    IdempotencyKey,
    KeyInProgressError,
    KeyReusedError,
    accept,
    fingerprint_of,
    known_account,
)
from relayer.steps.catalog import Catalog
from relayer.steps.queues import DECIDE, PUBLISH
from relayer.store.job_records import JobState
from relayer.store.requests import RequestState
from relayer.store.unit_of_work import Store
from tests.databases import BACKENDS, NOW, TestDatabases
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    BOB,
    CHAIN_A,
    CHAIN_B,
    CREDIT,
    HUB,
    LINK,
    OPEN,
    OPERATOR,
    SOL,
    SOL_LINK,
    SOL_OPEN,
    SOL_TWO,
    SOL_UNLOCK,
    UNLOCK,
    Wallet,
    deployment_settings,
    other_nonce,
    with_solana,
)

AT_ONCE = 4
WAIT_SECONDS = 60


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The deployment of the tests."""
    return wiring.catalog_of(deployment_settings())


@pytest.fixture
def clock() -> FixedClock:
    """The clock of the store."""
    return FixedClock(NOW)


@pytest.fixture(params=BACKENDS)
def store(
    request: pytest.FixtureRequest, databases: TestDatabases, clock: FixedClock
) -> Iterator[Store]:
    """An empty store on each kind of database."""
    with databases.store(str(request.param), clock) as made:
        yield made


def signed(command: Any, *signers: Wallet) -> SignedCommand:
    """Return a command with signatures."""
    return SignedCommand(command, tuple(wallet.sign_command(command, HUB) for wallet in signers))


def key_of(name: str, command: Command = UNLOCK) -> IdempotencyKey:
    """Return a key for a command."""
    return IdempotencyKey(name, fingerprint_of([name, str(command)]))


def opened(store: Store, catalog: Catalog) -> None:
    """Open ann's account."""
    accept(store, catalog, signed(OPEN, ANN), idempotency=key_of("open", OPEN))


def test_one_transaction_holds_everything(store: Store, catalog: Catalog) -> None:
    """Command, request, job, event and doorbell of the feed are there together."""
    opened(store, catalog)

    accepted = accept(store, catalog, signed(UNLOCK, ANN), idempotency=key_of("k"))

    assert accepted == Accepted(202, UNLOCK.digest(HUB), "RequestUnlock", ACCOUNT)
    with store.read() as uow:
        stored = uow.commands.command(accepted.command_id)
        request = uow.requests.get(accepted.command_id)
        assert stored is not None
        assert stored.signed == signed(UNLOCK, ANN)
        assert request is not None
        assert (request.state, request.account) == (RequestState.PENDING, ACCOUNT)
        assert uow.jobs.job(DECIDE, accepted.command_id.hex()).state is JobState.DUE
        assert [event.event_type for event in uow.feed.after(ACCOUNT, 0)] == [
            "account.opened",
            "unlock.requested",
        ]
        doorbells = uow.jobs.due_doorbells(store.clock.now())
        assert {queue for queue, _ in doorbells} == {DECIDE, PUBLISH}


def test_a_refusal_writes_nothing(store: Store, catalog: Catalog) -> None:
    """Neither command nor key nor event is left."""
    opened(store, catalog)

    with pytest.raises(RefusedError, match="signer_not_owner"):
        accept(store, catalog, signed(UNLOCK, BOB), idempotency=key_of("k"))

    with store.read() as uow:
        assert uow.commands.command(UNLOCK.digest(HUB)) is None
        assert uow.requests.get(UNLOCK.digest(HUB)) is None
        assert uow.feed.last_seq() == 1


def test_opening_twice_under_two_keys_is_one_opening(store: Store, catalog: Catalog) -> None:
    """One account, one event, the same answer."""
    first = accept(store, catalog, signed(OPEN, ANN), idempotency=key_of("1", OPEN))
    second = accept(store, catalog, signed(OPEN, ANN), idempotency=key_of("2", OPEN))

    assert first == second
    with store.read() as uow:
        assert uow.feed.last_seq() == 1


def test_a_linked_owner_may_ask(store: Store, catalog: Catalog) -> None:
    """Bob could not before and can afterwards."""
    opened(store, catalog)
    with pytest.raises(RefusedError, match="signer_not_owner"):
        accept(store, catalog, signed(UNLOCK, BOB), idempotency=key_of("k"))

    linked = accept(store, catalog, signed(LINK, ANN, BOB), idempotency=key_of("l", LINK))

    assert linked.status == 201
    assert accept(store, catalog, signed(UNLOCK, BOB), idempotency=key_of("k")).status == 202


def test_an_account_has_no_more_owners_than_guardians_can_be_told_of(
    store: Store, catalog: Catalog
) -> None:
    """The next is refused with the limit and a way out; those linked may be linked again."""
    opened(store, catalog)
    with store.unit_of_work() as uow:
        for number in range(LINKS_PER_ACCOUNT_MAX - 1):
            word = number.to_bytes(32, "big")
            uow.accounts.link(
                ACCOUNT, chain_id=CHAIN_A, owner=word, command_id=word, at=uow.clock.now()
            )
    last = accept(store, catalog, signed(LINK, ANN, BOB), idempotency=key_of("last", LINK))
    more = LinkOwner(account=ACCOUNT, chain_id=CHAIN_A, owner=BOB.address)

    with pytest.raises(RefusedError, match=r"links_full.*64.*open another account"):
        accept(store, catalog, signed(more, ANN, BOB), idempotency=key_of("more", more))

    again = accept(store, catalog, signed(LINK, ANN, BOB), idempotency=key_of("again", LINK))
    assert (last.status, again.status) == (201, 201)
    with store.read() as uow:
        assert len(uow.accounts.owners(ACCOUNT)) == LINKS_PER_ACCOUNT_MAX


def test_a_credit_request_is_pending_with_both_signatures(store: Store, catalog: Catalog) -> None:
    """Owner and operator, in this order."""
    opened(store, catalog)

    accepted = accept(
        store, catalog, signed(CREDIT, ANN, OPERATOR), idempotency=key_of("k", CREDIT)
    )

    assert (accepted.status, accepted.kind) == (202, "RequestCredit")
    with pytest.raises(RefusedError, match="signer_mismatch"):
        accept(
            store,
            catalog,
            signed(other_nonce(CREDIT, 2), OPERATOR, ANN),
            idempotency=key_of("k2", CREDIT),
        )


def test_the_last_second_of_the_deadline_counts(
    store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """At the deadline it is accepted, a second later it is not."""
    opened(store, catalog)
    clock.move(UNLOCK.deadline - NOW)
    assert accept(store, catalog, signed(UNLOCK, ANN), idempotency=key_of("k")).status == 202

    clock.move(1)
    late = other_nonce(UNLOCK, 2)
    with pytest.raises(RefusedError, match="deadline_passed"):
        accept(store, catalog, signed(late, ANN), idempotency=key_of("k2"))


def test_a_key_answers_again_refuses_others_and_waits(store: Store, catalog: Catalog) -> None:
    """Replay, mismatch and in progress are told apart."""
    opened(store, catalog)
    key = key_of("k")
    first = accept(store, catalog, signed(UNLOCK, ANN), idempotency=key)

    again = accept(store, catalog, signed(UNLOCK, ANN), idempotency=key)

    assert again == replace(first, is_replay=True)
    with pytest.raises(KeyReusedError):
        accept(
            store,
            catalog,
            signed(other_nonce(UNLOCK, 2), ANN),
            idempotency=IdempotencyKey("k", fingerprint_of("other")),
        )
    busy = key_of("busy")
    with store.unit_of_work() as uow:
        uow.commands.begin("busy", "0x" + ANN.address.hex(), busy.fingerprint)
    with pytest.raises(KeyInProgressError):
        accept(store, catalog, signed(UNLOCK, ANN), idempotency=busy)


@pytest.mark.parametrize("is_one_key", [True, False])
def test_many_at_once_are_one_command(store: Store, catalog: Catalog, *, is_one_key: bool) -> None:
    """Under one key or several, racing requests write once and are all answered."""
    opened(store, catalog)
    barrier = threading.Barrier(AT_ONCE)
    answers: list[Accepted] = []

    def ask(number: int) -> None:
        key = key_of("k" if is_one_key else f"k{number}")
        barrier.wait(WAIT_SECONDS)
        answers.append(accept(store, catalog, signed(UNLOCK, ANN), idempotency=key))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)

    assert len(answers) == AT_ONCE
    assert {answer.command_id for answer in answers} == {UNLOCK.digest(HUB)}
    with store.read() as uow:
        assert uow.feed.last_seq() == 2


def test_a_decision_of_the_hub_is_not_taken_from_outside(store: Store, catalog: Catalog) -> None:
    """Nobody liquidates by message."""
    word = bytes(32)
    liquidation = Liquidation(
        account=ACCOUNT,
        liquidator=word,
        debt_chain="eip155:31339",
        credit_line=word,
        repaid=1,
        collateral_chain="eip155:31337",
        vault=word,
        token=word,
        seized=1,
        insured=0,
        recipient=word,
        decided_at=NOW,
    )

    with pytest.raises(RefusedError, match="Liquidation"):
        accept(store, catalog, signed(liquidation, ANN), idempotency=key_of("k"))


@pytest.mark.parametrize("signers", [(), (ANN, ANN)])
def test_the_number_of_signatures_is_fixed(
    store: Store, catalog: Catalog, signers: tuple[Wallet, ...]
) -> None:
    """Neither fewer nor more."""
    with pytest.raises(RefusedError, match="signatures"):
        accept(store, catalog, signed(OPEN, *signers), idempotency=key_of("k", OPEN))


def test_an_account_is_known_once_it_is_open(store: Store, catalog: Catalog) -> None:
    """Refused with its id before."""
    with store.read() as uow, pytest.raises(RefusedError, match=ACCOUNT.hex()):
        known_account(uow, ACCOUNT)

    opened(store, catalog)

    with store.read() as uow:
        assert known_account(uow, ACCOUNT).opener == ANN.address


def test_a_fingerprint_ignores_the_order_of_keys() -> None:
    """Content counts, not its spelling."""
    assert fingerprint_of({"a": "1", "b": "2"}) == fingerprint_of({"b": "2", "a": "1"})
    assert fingerprint_of({"a": "1"}) != fingerprint_of({"a": "2"})


def test_somebody_elses_account_cannot_be_opened(store: Store, catalog: Catalog) -> None:
    """The id is derived from the opener, who must sign."""
    stolen = OpenAccount(opener=ANN.address, salt=bytes(32))

    with pytest.raises(RefusedError, match="signer_mismatch"):
        accept(store, catalog, signed(stolen, BOB), idempotency=key_of("k", OPEN))


def test_an_owner_with_a_solana_wallet_acts_on_every_chain(store: Store, catalog: Catalog) -> None:
    """It opens, links an EVM address, and either of them asks, there and here."""
    served = with_solana(catalog)
    link = LinkOwner(account=SOL_OPEN.account, chain_id=CHAIN_B, owner=BOB.address)
    there = replace(SOL_UNLOCK, account=SOL_OPEN.account)
    here = replace(UNLOCK, account=SOL_OPEN.account)
    steps: list[tuple[Command, tuple[Wallet, ...]]] = [
        (SOL_OPEN, (SOL,)),
        (link, (SOL, BOB)),
        (there, (SOL,)),
        (here, (SOL,)),
        (other_nonce(there, 9), (BOB,)),
    ]

    for number, (command, wallets) in enumerate(steps):
        accepted = accept(
            store, served, signed(command, *wallets), idempotency=key_of(str(number), command)
        )
        assert accepted.account == SOL_OPEN.account

    with store.read() as uow:
        stored = uow.commands.command(there.digest(HUB))
        assert stored is not None
        assert stored.signed == signed(there, SOL)
        assert uow.accounts.is_owner(SOL_OPEN.account, None, SOL.address)


def test_an_evm_owner_links_a_solana_wallet(store: Store, catalog: Catalog) -> None:
    """It could not ask before."""
    served = with_solana(catalog)
    opened(store, served)
    with pytest.raises(RefusedError, match="signer_not_owner"):
        accept(store, served, signed(SOL_UNLOCK, SOL), idempotency=key_of("k"))

    accept(store, served, signed(SOL_LINK, ANN, SOL), idempotency=key_of("l", SOL_LINK))

    assert accept(store, served, signed(SOL_UNLOCK, SOL), idempotency=key_of("k")).status == 202


def test_a_command_is_one_whichever_owner_signed_it(store: Store, catalog: Catalog) -> None:
    """Its id is the digest, so a second signature of another family asks nothing twice."""
    served = with_solana(catalog)
    opened(store, served)
    accept(store, served, signed(SOL_LINK, ANN, SOL), idempotency=key_of("l", SOL_LINK))

    first = accept(store, served, signed(SOL_UNLOCK, ANN), idempotency=key_of("1"))
    second = accept(store, served, signed(SOL_UNLOCK, SOL), idempotency=key_of("2"))

    assert first == second
    with store.read() as uow:
        kinds = [event.event_type for event in uow.feed.after(ACCOUNT, 0)]
    assert kinds == ["account.opened", "owner.linked", "unlock.requested"]


@pytest.mark.parametrize(
    ("command", "wallets"),
    [
        (SOL_OPEN, (SOL_TWO,)),
        (SOL_OPEN, (ANN,)),
        (SOL_LINK, (ANN, SOL_TWO)),
        (SOL_LINK, (SOL, ANN)),
    ],
)
def test_another_wallet_than_the_named_one_is_refused(
    store: Store, catalog: Catalog, command: Command, wallets: tuple[Wallet, ...]
) -> None:
    """Whatever its family."""
    served = with_solana(catalog)
    opened(store, served)

    with pytest.raises(RefusedError, match="signer_mismatch"):
        accept(store, served, signed(command, *wallets), idempotency=key_of("k", command))
