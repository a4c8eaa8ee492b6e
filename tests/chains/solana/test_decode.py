"""Which instructions are events: who printed them, for which vault, in what transaction."""

import copy
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from solders.account import Account
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV1, TransactionConfig
from solders.pubkey import Pubkey
from solders.system_program import AssignParams, assign
from solders.transaction import VersionedTransaction

from chains.base58 import base58_of, bytes_of_base58
from chains.devnet.proxy import FaultProxy
from chains.devnet.solana.lies import DropSignatures, ForgedBlocks
from chains.errors import MovementMissingError, RpcAnswerError
from chains.events import CollateralLocked, payload_of
from chains.port import EventRead
from chains.solana.history import SolanaWatched
from chains.solana.vault_events import EVENT_TAG
from tests.chains.solana.scenes import ALICE, FORGER, PROGRAM, SOL, Scene
from tests.chains.solana.test_history import Block, with_meta


def read(world: Scene, first: str, url: str | None = None, **options: Any) -> EventRead:
    """Return the events from a transaction on, once all is final."""
    slot, last = world.slot_of(first), world.finalize()
    return world.ask(lambda reader: reader.events_in_range(slot, last), url, **options)


def forged(world: Scene, first: str, change: Callable[[Block], Block]) -> EventRead:
    """Return the events from a transaction on, with its block changed on the way."""
    with FaultProxy(world.net.url, layers=[ForgedBlocks(change)]) as proxy:
        return read(world, first, proxy.rpc_url)


def last_call(meta: dict[str, Any]) -> dict[str, Any]:
    """Return the last inner instruction of a transaction: the event."""
    found: dict[str, Any] = meta["innerInstructions"][-1]["instructions"][-1]
    return found


def a_lock_of(world: Scene, vault: bytes) -> bytes:
    """Return the event of a lock that never was."""
    words = vault + (1).to_bytes(8, "big") + bytes(32) + bytes(world.mints[0]) + bytes(32)
    return EVENT_TAG + b"\x01" + words + (10**6).to_bytes(8, "big") * 2


def from_forger(content: bytes, *accounts: Pubkey, called: Pubkey = PROGRAM) -> Instruction:
    """Return a call of the forger, which calls a program with some content."""
    authority, *others = accounts
    metas = [
        AccountMeta(key, is_signer=False, is_writable=False) for key in (authority, called, *others)
    ]
    return Instruction(FORGER, b"\0\0" + content, metas)


def test_r11_an_event_that_another_program_wants_to_print_never_counts(world: Scene) -> None:
    """The vault refuses it, so its transaction failed; a failed transaction is no news."""
    content = a_lock_of(world, world.vault)
    first = world.send(from_forger(content, world.at.events, world.at.vault), is_failing=True)
    world.lock(5)

    found = read(world, first)

    assert [event.position.tx_hash for event in found.events] == [bytes_of_base58(world.sent[-1])]
    assert found.malformed == ()


def test_r11_the_same_bytes_to_another_program_are_no_event(world: Scene) -> None:
    """Whoever is called with them: here the memo program, next to a real lock."""
    memo = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
    text = EVENT_TAG + b"\x01"
    look_alike = Instruction(memo, text + b"x" * 50, [])
    first = world.send(look_alike, world.lock_of(5), look_alike)

    found = read(world, first)

    assert [event.position.tx_hash for event in found.events] == [bytes_of_base58(first)]
    assert found.malformed == ()


def test_r11_across_look_alikes_in_a_block_are_refused(world: Scene) -> None:
    """Another program's, another signer's, another maker's: none is an event, and it is told."""
    first = world.lock(5)
    changes: dict[str, Callable[[dict[str, Any]], Any]] = {
        "signer": lambda meta: last_call(meta).update(accounts=[0]),
        "two signers": lambda meta: last_call(meta)["accounts"].append(0),
        "maker": lambda meta: last_call(meta).update(stackHeight=3),
        "cut": lambda meta: last_call(meta).update(
            data=base58_of(bytes_of_base58(last_call(meta)["data"])[:-1])
        ),
        "longer": lambda meta: last_call(meta).update(
            data=base58_of(bytes_of_base58(last_call(meta)["data"]) + b"\0")
        ),
        "unknown": lambda meta: last_call(meta).update(
            data=base58_of(EVENT_TAG + b"\x63" + bytes_of_base58(last_call(meta)["data"])[9:])
        ),
    }
    for name, change in changes.items():
        found = forged(world, first, partial(with_meta, change=change))
        assert found.events == (), name
        assert len(found.unreadable) == 1, name


def test_calls_that_are_longer_than_any_event_are_not_even_decoded(world: Scene) -> None:
    """A node that makes thousands of them up keeps nobody busy for minutes."""
    first = world.lock(5)

    def change(meta: dict[str, Any]) -> None:
        calls = meta["innerInstructions"][-1]["instructions"]
        calls += [calls[-1] | {"data": "z" * 13_000}] * 3_000

    started = time.perf_counter()
    found = forged(world, first, lambda block: with_meta(block, change))

    assert [one.units for one in found.events if isinstance(one, CollateralLocked)] == [5]
    assert time.perf_counter() - started < 5  # decoded it is a minute


def test_r11_another_programs_event_is_passed_over(world: Scene) -> None:
    """The program id is the first thing that counts; a wrong one in the settings reads nothing."""
    first = world.lock(5)
    other = SolanaWatched(bytes(FORGER), world.vault, world.watched.mints)

    assert read(world, first, watched=other) == EventRead((), ())


def test_r11_another_vaults_event_is_passed_over(world: Scene) -> None:
    """The vault is named in the event."""
    first = world.lock(5)

    def change(meta: dict[str, Any]) -> None:
        content = bytes_of_base58(last_call(meta)["data"])
        last_call(meta).update(data=base58_of(content[:9] + b"\x05" * 32 + content[41:]))

    assert forged(world, first, lambda block: with_meta(block, change)) == EventRead((), ())


def test_r11_a_lock_without_its_movement_is_told(world: Scene) -> None:
    """The vault claims more than the custody account got; the event stays, with its error."""
    first = world.lock(5)

    def change(meta: dict[str, Any]) -> None:
        meta["postTokenBalances"] = copy.deepcopy(meta["preTokenBalances"])

    found = forged(world, first, lambda block: with_meta(block, change))

    assert len(found.events) == 1
    (missing,) = found.malformed
    assert isinstance(missing, MovementMissingError)
    assert found.unproven == {found.events[0].position.event_id: missing.reason}
    assert "claims 5, 0 came in" in missing.reason


def test_r11_of_two_locks_only_the_unbacked_one_is_told(world: Scene) -> None:
    """And a payment in the same transaction is counted back."""
    world.lock(100)
    first = world.send(world.lock_of(30), world.lock_of(7), world.lock_of(3, 1))

    assert read(world, first).malformed == ()

    def change(meta: dict[str, Any]) -> None:
        for held in meta["postTokenBalances"]:
            amount = held["uiTokenAmount"]
            if amount["amount"] == "137":
                amount["amount"] = "136"

    found = forged(world, first, lambda block: with_meta(block, change))
    (missing,) = found.malformed
    assert "claims 7, 6 came in" in missing.reason


def test_a_lock_of_a_mint_that_is_not_configured_needs_no_movement(world: Scene) -> None:
    """Nobody books it."""
    first = world.lock(5, mint=1)
    watched = SolanaWatched(bytes(PROGRAM), world.vault, (bytes(world.mints[0]),))

    found = read(world, first, watched=watched)

    assert len(found.events) == 1
    assert found.malformed == ()


def test_accounts_from_lookup_tables_are_resolved(world: Scene) -> None:
    """Vault, mint and custody may all come from a table."""
    instruction = world.lock_of(9)
    keys = [meta.pubkey for meta in instruction.accounts if not meta.is_signer]
    table = a_table(world, keys)
    world.net.advance()

    first = world.send(instruction, tables=[table])

    (event,) = read(world, first).events
    assert event.position.contract == world.vault
    assert event.position.tx_hash == bytes_of_base58(first)


def test_a_lock_in_a_transaction_of_version_1_counts(world: Scene) -> None:
    """Where a cluster takes such ones anybody may lock with them; one not read would be a hole."""
    config = TransactionConfig(compute_unit_limit=400_000)
    recent = Hash.from_string(world.net.ask("getLatestBlockhash")["value"]["blockhash"])
    message = MessageV1.try_compile(ALICE.pubkey(), [world.lock_of(5)], recent, config)
    tx = VersionedTransaction(message, [ALICE])
    with world.net.ledger.lock:
        landed = world.net.pipeline.execute(tx)
    assert landed is not None
    assert landed.err is None

    found = read(world, str(tx.signatures[0]))

    assert [one.units for one in found.events if isinstance(one, CollateralLocked)] == [5]
    assert found.malformed == ()


def test_a_version_that_its_bytes_deny_is_refused(world: Scene) -> None:
    """The node says one thing and gives another."""
    first = world.lock(5)

    def change(block: Block) -> Block:
        later = copy.deepcopy(block)
        later["transactions"][-1]["version"] = 1
        return later

    with pytest.raises(RpcAnswerError, match="another version"):
        forged(world, first, change)


def a_table(world: Scene, keys: list[Pubkey]) -> AddressLookupTableAccount:
    """Return a lookup table that the cluster has."""
    owner = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")
    key = Keypair.from_seed(b"\x09" * 32).pubkey()
    head = (1).to_bytes(4, "little") + b"\xff" * 8 + bytes(8) + bytes(1) + b"\0" + bytes(34)
    content = head + b"".join(map(bytes, dict.fromkeys(keys)))
    world.net.set_account(key, Account(10**10, content, owner))
    return AddressLookupTableAccount(key, list(dict.fromkeys(keys)))


def test_a_version_that_is_not_read_is_told_and_not_passed_over(world: Scene) -> None:
    """Its transaction names the vault, and nobody can say what it did."""
    world.lock(5)
    first = world.lock(6)

    def change(block: Block) -> Block:
        later = copy.deepcopy(block)
        later["transactions"][-1]["version"] = 2
        return later

    found = forged(world, first, change)

    assert len(found.events) == 1
    (flaw,) = found.unreadable
    assert flaw.reason == "transaction version 2 is not read"
    assert flaw.tx_hash == bytes_of_base58(first)


def test_an_unread_transaction_of_others_harms_nobody(world: Scene) -> None:
    """It is not among those that name the vault."""
    first = world.lock(5)
    world.net.airdrop(ALICE.pubkey(), 1)

    def change(block: Block) -> Block:
        later = copy.deepcopy(block)
        later["transactions"][-1]["version"] = 2
        return later

    found = forged(world, first, change)

    assert len(found.events) == 1
    assert found.malformed == ()


def test_the_vaults_bytes_in_somebodys_data_are_nothing(world: Scene) -> None:
    """A transaction that names the vault in its data only is not in its history."""
    somebody = Keypair.from_seed(b"\x09" * 32)
    world.net.airdrop(somebody.pubkey(), SOL)
    world.net.advance()
    first = world.lock(5)
    owner = AssignParams(pubkey=somebody.pubkey(), owner=world.at.vault)
    world.send(assign(owner), signers=(somebody,))

    found = read(world, first)

    assert len(found.events) == 1
    assert found.malformed == ()


def test_a_vault_that_is_called_by_another_program_is_read(world: Scene) -> None:
    """The event is still made by the vault's own program, however deep it stands."""
    first = world.lock(5)
    (direct,) = read(world, first).events
    keys = list(world.net.ledger.landed[first].keys.all)
    outer = [
        {"programIdIndex": keys.index(program), "accounts": [], "data": "", "stackHeight": height}
        for program, height in ((Pubkey.default(), 2), (PROGRAM, 3))
    ]

    def change(meta: dict[str, Any]) -> None:
        group = meta["innerInstructions"][-1]["instructions"]
        for call in group:
            call["stackHeight"] += 2
        group[:0] = outer

    (event,) = forged(world, first, lambda block: with_meta(block, change)).events

    assert payload_of(event) == payload_of(direct)
    assert event.position.log_index == direct.position.log_index + len(outer)


def test_failed_transactions_are_left_out(world: Scene) -> None:
    """Also where a block holds nothing else of the vault."""
    first = world.send(world.lock_of(10**13), is_failing=True)
    world.net.advance()
    world.send(world.lock_of(10**13), world.lock_of(1), is_failing=True)
    world.lock(2)

    found = read(world, first)

    assert len(found.events) == 1
    assert found.malformed == ()


def test_hiding_all_signatures_of_a_block_hides_its_events(world: Scene) -> None:
    """One node alone can do that; the lock counter and the other nodes tell."""
    first = world.lock(5)
    with FaultProxy(world.net.url, layers=[DropSignatures(lambda _: True)]) as proxy:
        assert read(world, first, proxy.rpc_url) == EventRead((), ())
