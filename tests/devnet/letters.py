"""Messages, accounts and loops for the tests on local chains."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from eth_hash.auto import keccak

from chains.command import account_id
from chains.devnet.actors import ALICE, BOB
from chains.devnet.kit import DeployedChain, Devnet
from chains.evm.reader import EvmReader
from chains.message import Message, MessageKind
from chains.types import chain_key

T = TypeVar("T")
EXPIRY_SECONDS: Final = 2**40


def account_named(label: str) -> bytes:
    """Return an account that Alice opens."""
    return account_id(opener=ALICE.address, salt=keccak(label.encode()))


def message_to(devnet: Devnet, deployed: DeployedChain, **fields: Any) -> Message:
    """Return a release of Alice's account to Bob, with some fields changed."""
    vault = deployed.vault or deployed.credit_line
    if vault is None:
        raise ValueError(f"{deployed.chain_id} has neither vault nor credit line")
    plain: dict[str, Any] = {
        "kind": MessageKind.RELEASE,
        "origin": chain_key(devnet.options.hub),
        "target": chain_key(deployed.chain_id),
        "vault": vault,
        "nonce": 1,
        "account": account_named("plain"),
        "token": next(iter(deployed.tokens.values())),
        "amount_units": 1,
        "recipient": BOB.address,
        "expiry_seconds": EXPIRY_SECONDS,
        "epoch": 0,
        "evidence": bytes(32),
    }
    return Message(**(plain | fields))


def reading(target: DeployedChain, ask: Callable[[EvmReader], Coroutine[Any, Any, T]]) -> T:
    """Return what a fresh reader of a chain comes to."""

    async def asked() -> T:
        reader = target.reader()
        try:
            return await ask(reader)
        finally:
            await reader.close()

    return asyncio.run(asked())
