"""What the tests of the local cluster share: people, transactions, and the real client."""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from solana.rpc.async_api import AsyncClient
from solana.rpc.core import RPCException
from solana.rpc.models import TxOpts
from solana.rpc.websocket_api import SolanaWsClient
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from chains.devnet.solana.net import SolanaDevnet
from chains.devnet.solana.nonces import value_of

T = TypeVar("T")

SOL = 10**9
ANN = Keypair.from_seed(bytes([1]) * 32)
BEN = Keypair.from_seed(bytes([2]) * 32)
SHOP = Pubkey.from_bytes(bytes([9]) * 32)
SHOP_RENT = 10**6
WAIT_SECONDS_MAX = 20.0
UNCHECKED = TxOpts(skip_preflight=True)
RETURN_ZERO = bytes.fromhex("b7000000000000009500000000000000")


def through(net: SolanaDevnet, ask: Callable[[AsyncClient], Awaitable[T]]) -> T:
    """Return what a coroutine gets from the cluster through the real client."""

    async def asked() -> T:
        async with AsyncClient(net.url) as client:
            return await asyncio.wait_for(ask(client), WAIT_SECONDS_MAX)

    return asyncio.run(asked())


def listening(
    net: SolanaDevnet, listen: Callable[[SolanaWsClient], Awaitable[T]], **options: Any
) -> T:
    """Return what a coroutine hears from the cluster through the real websocket client."""

    async def listened() -> T:
        async with SolanaWsClient(net.ws_url, **options) as client:
            return await asyncio.wait_for(listen(client), WAIT_SECONDS_MAX)

    return asyncio.run(listened())


async def heard(client: SolanaWsClient) -> Any:
    """Return the next notification, of whichever of the client's types it is."""
    return await client.recv()


async def refusal(asked: Awaitable[Any]) -> Any:
    """Return the typed error that the real client makes of a refusal."""
    try:
        await asked
    except RPCException as exc:
        return exc.args[0]
    raise AssertionError("it was not refused")


def block_hash(net: SolanaDevnet, level: str = "processed") -> Hash:
    """Return the newest blockhash of a level."""
    answer = net.ask("getLatestBlockhash", {"commitment": level})
    return Hash.from_string(answer["value"]["blockhash"])


def signed(
    net: SolanaDevnet,
    instructions: Sequence[Instruction],
    *signers: Keypair,
    recent: Hash | None = None,
) -> VersionedTransaction:
    """Return a transaction; the first signer pays."""
    recent = block_hash(net) if recent is None else recent
    message = Message.new_with_blockhash(instructions, signers[0].pubkey(), recent)
    return VersionedTransaction(message, list(signers))


def payment(
    net: SolanaDevnet,
    lamports: int = SHOP_RENT,
    *,
    payer: Keypair = ANN,
    recent: Hash | None = None,
    to: Pubkey = SHOP,
) -> VersionedTransaction:
    """Return a payment to the shop."""
    give = transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=to, lamports=lamports))
    return signed(net, [give], payer, recent=recent)


def sent(net: SolanaDevnet, tx: VersionedTransaction) -> str:
    """Land a transaction in the open block and return its signature."""
    assert net.pipeline.execute(tx) is not None
    return str(tx.signatures[0])


def lamports_of(net: SolanaDevnet, key: Pubkey, level: str = "processed") -> int:
    """Return what an account holds at a level."""
    return int(net.ask("getBalance", str(key), {"commitment": level})["value"])


def nonce_value(net: SolanaDevnet, key: Pubkey) -> Hash:
    """Return the value of a durable nonce in the open block."""
    account = net.ledger.bank.newest(key)
    assert account is not None
    return Hash(value_of(account))


def elf_of(text: bytes) -> bytes:
    """Return a program of sBPF v3 that consists of some instructions."""
    at, code = 64 + 56, 1 << 32
    head = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01" + bytes(9), 3, 247, 1, code, 64, 0, 3, 64, 56, 1, 64, 0, 0,
    )  # fmt: skip
    return head + struct.pack("<IIQQQQQQ", 1, 1, at, code, code, len(text), len(text), 8) + text
