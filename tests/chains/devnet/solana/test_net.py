"""The local cluster as a whole: its addresses, its clock, its faults by seed."""

import asyncio
import socket

import pytest
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Processed
from solana.rpc.models import TxOpts
from solana.rpc.websocket_api import SolanaWsClient
from solders.account import Account
from solders.keypair import Keypair

from chains.devnet.rpc import DevnetError
from chains.devnet.solana.codec import SYSTEM_PROGRAM
from chains.devnet.solana.net import SolanaDevnet, solana_devnet
from tests.chains.devnet.solana.scenes import (
    ANN,
    SHOP,
    SHOP_RENT,
    SOL,
    heard,
    lamports_of,
    listening,
    payment,
    sent,
    through,
)


def test_the_websocket_has_the_next_port(net: SolanaDevnet) -> None:
    """As on a cluster."""
    port = int(net.url.rsplit(":", 1)[1])

    assert net.url == f"http://127.0.0.1:{port}"
    assert net.ws_url == f"ws://127.0.0.1:{port + 1}"


def test_a_taken_port_is_an_error(net: SolanaDevnet) -> None:
    """Of HTTP, and of the websocket beside it."""
    port = int(net.url.rsplit(":", 1)[1])

    with pytest.raises(DevnetError, match="cannot be served"), solana_devnet(port=port):
        pass
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(DevnetError, match="cannot be served"),
        solana_devnet(port=taken.getsockname()[1] - 1),
    ):
        pass


def test_it_starts_again_with_the_same_chain() -> None:
    """What a stopped node knew is still known."""
    net = solana_devnet()
    with net:
        net.airdrop(SHOP, SHOP_RENT)
    with net:
        assert through(net, lambda client: client.get_balance(SHOP, Processed)).value == SHOP_RENT


def test_slots_move_by_themselves() -> None:
    """One after the other, as the websocket tells, until it is stopped."""

    async def listen(client: SolanaWsClient) -> list[int]:
        await client.slot_subscribe()
        return [(await heard(client)).result.slot for _ in range(3)]

    with solana_devnet(slot_ms=5) as net:
        first, second, third = listening(net, listen)
    stopped = net.slot

    assert (second, third) == (first + 1, first + 2)
    assert net.options.time_of(200) == net.options.genesis_seconds + 1
    assert net.slot == stopped


def test_many_clients_and_moving_slots_do_not_disturb_each_other() -> None:
    """Every payment lands once, and the blocks are one chain."""
    payers = [Keypair.from_seed(bytes([50 + place]) * 32) for place in range(4)]

    async def pay(net: SolanaDevnet, payer: Keypair) -> list[str]:
        signatures = []
        async with AsyncClient(net.url) as client:
            for lamports in range(1, 26):
                tx = payment(net, lamports, payer=payer)
                opts = TxOpts(preflight_commitment=Processed)
                signatures.append(str((await client.send_transaction(tx, opts=opts)).value))
        return signatures

    async def pay_all(net: SolanaDevnet) -> list[list[str]]:
        return await asyncio.gather(*(pay(net, payer) for payer in payers))

    with solana_devnet(slot_ms=20, confirmed_lag_slots=1, finalized_lag_slots=2) as net:
        net.airdrop(SHOP, SHOP_RENT)
        for payer in payers:
            net.airdrop(payer.pubkey(), SOL)
        signatures = [one for part in asyncio.run(pay_all(net)) for one in part]

    assert len(set(signatures)) == 100
    assert set(signatures) <= set(net.ledger.landed)
    assert lamports_of(net, SHOP) == SHOP_RENT + 4 * sum(range(1, 26))
    blocks = net.ledger.blocks
    assert [one.parent_hash for one in blocks[1:]] == [one.block_hash for one in blocks[:-1]]
    assert sum(len(one.landed) for one in blocks) == len(net.ledger.landed) == 105


def test_the_same_seed_makes_the_same_chain() -> None:
    """Genesis, faucet and hashes; another seed makes another one."""

    def made(seed: int) -> tuple[str, str]:
        net = solana_devnet(seed=seed)
        net.airdrop(SHOP, SHOP_RENT)
        net.advance(3)
        return net.chain_id, net.ask("getLatestBlockhash", {"commitment": "processed"})["value"][
            "blockhash"
        ]

    assert made(1) == made(1)
    assert made(1)[0] != made(2)[0]
    assert made(1)[1] != made(2)[1]


def test_an_account_set_past_all_rules_goes_back_with_its_slot(net: SolanaDevnet) -> None:
    """It belongs to the open block like everything else."""
    net.set_account(SHOP, Account(5 * SOL, b"shop", SYSTEM_PROGRAM))
    assert lamports_of(net, SHOP) == 5 * SOL
    assert lamports_of(net, SHOP, "confirmed") == SHOP_RENT

    net.rollback(1)

    assert lamports_of(net, SHOP) == SHOP_RENT


def test_tokens_of_what_is_no_token_are_refused(net: SolanaDevnet) -> None:
    """The helper says so instead of doing nothing."""
    with pytest.raises(DevnetError, match="is no token"):
        net.mint_to(SHOP, ANN.pubkey(), 5)


def test_a_rolled_back_token_can_be_made_again(net: SolanaDevnet) -> None:
    """Mint and balances are gone with their slot."""
    mint = net.create_mint(decimals=6)
    account = net.mint_to(mint, ANN.pubkey(), 5)
    net.rollback(1)

    assert net.ledger.bank.newest(mint) is None
    assert net.ledger.bank.newest(account) is None


@pytest.mark.parametrize(
    "options",
    [
        {"confirmed_lag_slots": 0},
        {"confirmed_lag_slots": 5, "finalized_lag_slots": 4},
        {"skipped_bps": 10_000},
        {"skipped_bps": -1},
        {"slot_ms": 0},
    ],
)
def test_options_that_make_no_chain_are_refused(options: dict[str, int]) -> None:
    """Before anything is served."""
    with pytest.raises(ValueError, match=r"needed|skipped_bps|a millisecond"):
        solana_devnet(**options)


def test_levels_lag_as_the_options_say() -> None:
    """Three slots until confirmed, six until final."""
    net = solana_devnet(confirmed_lag_slots=3, finalized_lag_slots=6)
    net.airdrop(ANN.pubkey(), SOL)
    net.airdrop(SHOP, SHOP_RENT)
    net.advance(10)
    sent(net, payment(net))

    shown = []
    for slots in (2, 1, 2, 1):
        net.advance(slots)
        levels = [lamports_of(net, SHOP, level) for level in ("confirmed", "finalized")]
        shown.append([held // SHOP_RENT for held in levels])

    assert shown == [[1, 1], [2, 1], [2, 1], [2, 2]]
