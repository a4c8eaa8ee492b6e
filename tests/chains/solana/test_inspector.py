"""What the doctor asks of a node, on the local cluster over real HTTP and websocket."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from solders.account import Account
from solders.pubkey import Pubkey

from chains.devnet.proxy import FaultProxy, Lie, on
from chains.errors import RpcUnavailableError
from chains.inspection import ListedToken, ProgramFacts, ProgramInspector, VaultFacts
from chains.solana.inspector import SolanaInspector
from chains.solana.vault_addresses import UPGRADEABLE_LOADER, program_content
from chains.types import chain_key
from tests.chains.solana.scenes import HUB, LIMITS, PROGRAM, Scene

T = TypeVar("T")
NOBODY = b"\x07" * 32


def asked(
    world: Scene,
    question: Callable[[ProgramInspector], Awaitable[T]],
    *,
    program: bytes | None = None,
    vault: bytes | None = None,
    mints: tuple[bytes, ...] | None = None,
) -> T:
    """Return what an inspector of its own finds."""
    watched = world.watched
    watched = replace(
        watched,
        program_id=watched.program_id if program is None else program,
        vault=watched.vault if vault is None else vault,
        mints=watched.mints if mints is None else mints,
    )
    return told(SolanaInspector(world.net.chain_id, world.net.url, watched=watched), question)


def told(inspector: SolanaInspector, question: Callable[[ProgramInspector], Awaitable[T]]) -> T:
    """Return what an inspector finds, and close it."""

    async def ask() -> T:
        try:
            return await question(inspector)
        finally:
            await inspector.close()

    return asyncio.run(ask())


def test_a_node_tells_its_version_and_how_far_back_it_goes(world: Scene) -> None:
    """Once it says that it is well."""
    version = asked(world, lambda one: one.version())

    assert version == world.net.ask("getVersion")["solana-core"]
    assert asked(world, lambda one: one.first_height()) == world.net.ask("getFirstAvailableBlock")


def test_a_vault_tells_for_whom_it_was_made(world: Scene) -> None:
    """And whether it is sealed."""
    found = asked(world, lambda one: one.vault())

    assert found is not None
    assert (found.program, found.is_vault, found.is_sealed) == (bytes(PROGRAM), True, True)
    assert (found.hub_key, found.chain_key) == (chain_key(HUB), chain_key(world.net.chain_id))


def vault_at(world: Scene, url: str) -> VaultFacts:
    """Return what an inspector finds of a vault that is there."""
    found = told(
        SolanaInspector(world.net.chain_id, url, watched=world.watched), lambda one: one.vault()
    )
    assert found is not None
    return found


def test_a_vault_tells_when_owners_may_leave_by_the_clock_that_its_program_sees(
    world: Scene,
) -> None:
    """The delay runs with the slots, and a message that is executed begins it again."""
    world.finalize()
    made = vault_at(world, world.net.url).exit_terms
    world.net.advance(100)
    later = vault_at(world, world.net.url).exit_terms
    world.lock(1_000)
    world.release(1)
    world.finalize()
    reached = vault_at(world, world.net.url).exit_terms

    assert made is not None
    assert later is not None
    assert reached is not None
    passed_seconds = 100 * world.net.options.slot_milliseconds // 1_000
    assert later == replace(made, now_seconds=made.now_seconds + passed_seconds)
    assert later.exit_delay_seconds == LIMITS.exit_delay_seconds
    assert later.left_seconds == made.left_seconds - passed_seconds
    assert reached.last_attested_at == later.now_seconds


@pytest.mark.parametrize(
    "content", [None, b"", bytes(39), bytes(41), bytes(32) + b"\xff" * 8], ids=str
)
def test_a_node_without_a_usable_clock_hides_nothing_else_of_the_vault(
    world: Scene, content: bytes | None
) -> None:
    """Missing, of another length, or before 1970."""

    def change(result: Any) -> Any:
        vault, clock = result["value"]
        if content is None:
            return result | {"value": [vault, None]}
        text = base64.b64encode(content).decode()
        changed = clock | {"data": [text, "base64"], "space": len(content)}
        return result | {"value": [vault, changed]}

    with FaultProxy(world.net.url, on("getMultipleAccounts", Lie(change))) as proxy:
        found = vault_at(world, proxy.rpc_url)

    assert (found.is_sealed, found.exit_terms) == (True, None)


def test_what_is_no_vault_is_told_apart(world: Scene) -> None:
    """Nothing at the address, and an account of another program."""
    mint = bytes(world.mints[0])

    assert asked(world, lambda one: one.vault(), vault=NOBODY) is None
    other = asked(world, lambda one: one.vault(), vault=mint)
    assert other is not None
    assert (other.is_vault, other.program == bytes(PROGRAM)) == (False, False)


def test_mints_that_are_not_listed_are_left_out(world: Scene) -> None:
    """The others come with their decimals."""
    mints = (*map(bytes, world.mints), NOBODY)

    found = asked(world, lambda one: one.listed(), mints=mints)

    assert found == tuple(ListedToken(bytes(mint), 6) for mint in world.mints)
    assert asked(world, lambda one: one.listed(), mints=()) == ()


def test_a_program_tells_who_may_replace_it(world: Scene) -> None:
    """Nobody, once the authority is given up; where there is none, none is found."""
    assert asked(world, lambda one: one.program()) == ProgramFacts(True, None)
    assert asked(world, lambda one: one.program(), program=NOBODY) == ProgramFacts(False, None)
    assert asked(world, lambda one: one.program(), program=bytes(Pubkey.default())) == ProgramFacts(
        False, None
    )


def test_a_program_that_somebody_may_replace_names_him(world: Scene) -> None:
    """The loader keeps the key beside the program's bytes."""
    content = b"\x03\0\0\0" + bytes(8) + b"\x01" + NOBODY + bytes(64)
    at = program_content(PROGRAM)
    world.net.set_account(at, Account(10**9, content, UPGRADEABLE_LOADER))
    world.net.advance(2)

    assert asked(world, lambda one: one.program()) == ProgramFacts(True, NOBODY)


def test_a_websocket_takes_a_subscription_or_is_named(world: Scene) -> None:
    """Without the address, which may hold a key."""
    asked(world, lambda one: one.subscribe(world.net.ws_url))

    with pytest.raises(RpcUnavailableError) as refused:
        asked(world, lambda one: one.subscribe("ws://127.0.0.1:9/secret"))

    assert "secret" not in str(refused.value)
