"""sendTransaction, simulateTransaction, requestAirdrop."""

import base64

import pytest
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Processed
from solders.pubkey import Pubkey

from chains.devnet.exchange import RefusalError
from chains.devnet.solana.net import SolanaDevnet
from tests.chains.devnet.solana.scenes import (
    ANN,
    SHOP,
    SHOP_RENT,
    SOL,
    lamports_of,
    payment,
    through,
)


def texts(net: SolanaDevnet, lamports: int = SHOP_RENT) -> str:
    """Return a payment in base 64."""
    return base64.b64encode(bytes(payment(net, lamports))).decode()


def test_a_simulation_changes_nothing_and_tells_what_would_be(net: SolanaDevnet) -> None:
    """Through the real client; accounts on demand."""
    tx = payment(net)

    simulated = through(net, lambda client: client.simulate_transaction(tx, commitment=Processed))
    config = {
        "encoding": "base64",
        "commitment": "processed",
        "accounts": {"addresses": [str(SHOP), str(Pubkey.default()), str(ANN.pubkey())]},
        "innerInstructions": True,
    }
    shown = net.ask("simulateTransaction", texts(net), config)["value"]

    assert simulated.value.err is None
    assert simulated.value.units_consumed == shown["unitsConsumed"] == 150
    assert [one and one["lamports"] for one in shown["accounts"]] == [
        2 * SHOP_RENT, 1, 100 * SOL - SHOP_RENT - 5_000,
    ]  # fmt: skip
    assert shown["innerInstructions"] == []
    assert lamports_of(net, SHOP) == SHOP_RENT


def test_a_simulation_takes_any_blockhash_on_demand(net: SolanaDevnet) -> None:
    """And says which one it took instead; not together with a check of signatures."""
    text = texts(net)
    net.advance(300)
    config = {"encoding": "base64", "replaceRecentBlockhash": True}

    shown = net.ask("simulateTransaction", text, config)["value"]
    latest = net.ask("getLatestBlockhash")["value"]

    assert shown["err"] is None
    assert shown["replacementBlockhash"] == latest
    plain = net.ask("simulateTransaction", text, {"encoding": "base64"})["value"]
    assert plain["err"] == "BlockhashNotFound"
    with pytest.raises(RefusalError, match="sigVerify may not be used"):
        net.ask("simulateTransaction", text, config | {"sigVerify": True})


def test_explicit_nulls_are_as_good_as_nothing(net: SolanaDevnet) -> None:
    """Clients send every option, most of them null."""
    config = {
        "encoding": "base64", "skipPreflight": None, "preflightCommitment": "processed",
        "maxRetries": None, "minContextSlot": None,
    }  # fmt: skip

    signature = net.ask("sendTransaction", texts(net), config)

    assert signature in net.ledger.landed


def test_a_node_that_has_not_reached_the_asked_slot_refuses(net: SolanaDevnet) -> None:
    """Code -32016 tells where it stands."""
    with pytest.raises(RefusalError) as caught:
        net.ask("sendTransaction", texts(net), {"encoding": "base64", "minContextSlot": 10**6})

    assert caught.value.code == -32016
    assert caught.value.data == {"contextSlot": net.slot - 31}


def test_equal_airdrops_are_different_transactions(net: SolanaDevnet) -> None:
    """Each gives what was asked for, within a bound."""

    async def twice(client: AsyncClient) -> bool:
        first = await client.request_airdrop(SHOP, SOL)
        second = await client.request_airdrop(SHOP, SOL)
        return first.value != second.value

    assert through(net, twice)
    assert lamports_of(net, SHOP) == SHOP_RENT + 2 * SOL
    with pytest.raises(RefusalError, match="exceeds"):
        net.ask("requestAirdrop", str(SHOP), 10**18)
