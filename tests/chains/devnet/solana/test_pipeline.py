"""The way of a transaction, sent with the real client."""

import pytest
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed, Processed
from solana.rpc.models import TxOpts
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.rpc.errors import (
    NodeUnhealthyMessage,
    RpcCustomErrorFieldless,
    SendTransactionPreflightFailureMessage,
)
from solders.signature import Signature
from solders.system_program import (
    AdvanceNonceAccountParams,
    TransferParams,
    advance_nonce_account,
    create_nonce_account,
    transfer,
)
from solders.transaction import VersionedTransaction

from chains.devnet.solana.net import SolanaDevnet
from chains.devnet.solana.nonces import durable_of
from tests.chains.devnet.solana.scenes import (
    ANN,
    BEN,
    RETURN_ZERO,
    SHOP,
    SHOP_RENT,
    SOL,
    UNCHECKED,
    block_hash,
    elf_of,
    lamports_of,
    nonce_value,
    payment,
    refusal,
    sent,
    signed,
    through,
)

FEE_LAMPORTS = 5_000
NONCE = Keypair.from_seed(bytes([3]) * 32)
NOBODY = Keypair.from_seed(bytes([4]) * 32)
LATEST = TxOpts(preflight_commitment=Processed)


def nonce_tx(
    net: SolanaDevnet, lamports: int, *, value: Hash | None = None
) -> VersionedTransaction:
    """Return a payment of Ann's that rests on a durable nonce."""
    advance = advance_nonce_account(
        AdvanceNonceAccountParams(nonce_pubkey=NONCE.pubkey(), authorized_pubkey=ANN.pubkey())
    )
    pay = transfer(TransferParams(from_pubkey=ANN.pubkey(), to_pubkey=SHOP, lamports=lamports))
    recent = nonce_value(net, NONCE.pubkey()) if value is None else value
    return signed(net, [advance, pay], ANN, recent=recent)


@pytest.fixture
def nonce_net(net: SolanaDevnet) -> SolanaDevnet:
    """The cluster with a durable nonce of Ann's in it that is final."""
    made = create_nonce_account(ANN.pubkey(), NONCE.pubkey(), ANN.pubkey(), 2 * SHOP_RENT)
    sent(net, signed(net, list(made), ANN, NONCE))
    net.advance(40)
    return net


def test_a_transaction_lands_and_is_confirmed_by_the_real_client(net: SolanaDevnet) -> None:
    """What wallets do: send, wait for a level, look."""
    tx = payment(net, recent=block_hash(net, "finalized"))

    async def pay(client: AsyncClient) -> str:
        signature = (await client.send_transaction(tx)).value
        net.advance()
        status = await client.confirm_transaction(signature, Confirmed)
        assert status.value[0] is not None
        return str(status.value[0].confirmation_status)

    assert through(net, pay).endswith("Confirmed")
    assert lamports_of(net, SHOP) == 2 * SHOP_RENT


def test_a_blockhash_is_good_for_150_blocks(net: SolanaDevnet) -> None:
    """The last block at its lastValidBlockHeight, not one more; skipped slots do not count."""
    first, second = payment(net, 1), payment(net, 2)
    height = net.ask("getLatestBlockhash", {"commitment": "processed"})["value"][
        "lastValidBlockHeight"
    ]
    net.skip(100)
    net.advance(height - net.ledger.tip.height)
    assert net.ledger.tip.height == height

    sent(net, first)
    net.advance()

    assert net.pipeline.execute(second) is None


def test_an_expired_blockhash_is_refused_in_the_clusters_words(net: SolanaDevnet) -> None:
    """The real client makes its typed error of it."""
    tx = payment(net)
    net.advance(200)

    error = through(net, lambda client: refusal(client.send_transaction(tx, opts=LATEST)))

    assert isinstance(error, SendTransactionPreflightFailureMessage)
    assert error.message == "Transaction simulation failed: Blockhash not found"
    assert "BlockhashNotFound" in str(error.data.err)


def test_a_blockhash_younger_than_the_level_of_preflight_is_refused(net: SolanaDevnet) -> None:
    """The usual slip: a processed blockhash, tried at finalized."""
    tx = payment(net)

    error = through(net, lambda client: refusal(client.send_transaction(tx)))

    assert "Blockhash not found" in error.message
    through(net, lambda client: client.send_transaction(tx, opts=LATEST))
    assert lamports_of(net, SHOP) == 2 * SHOP_RENT


def test_preflight_tries_a_transaction_on_the_accounts_of_its_level(net: SolanaDevnet) -> None:
    """What came a moment ago cannot be spent in the eyes of the final level."""
    recent = block_hash(net, "finalized")
    net.airdrop(NOBODY.pubkey(), SOL)
    tx = payment(net, payer=NOBODY, recent=recent)

    error = through(net, lambda client: refusal(client.send_transaction(tx)))

    assert "no record of a prior credit" in error.message
    through(net, lambda client: client.send_transaction(tx, opts=LATEST))
    assert lamports_of(net, NOBODY.pubkey()) == SOL - SHOP_RENT - FEE_LAMPORTS


def test_a_transaction_that_fails_when_tried_is_refused_with_its_logs(net: SolanaDevnet) -> None:
    """Code -32002 with err, logs and units, as the real client expects them."""
    tx = payment(net, 200 * SOL)

    error = through(net, lambda client: refusal(client.send_transaction(tx, opts=LATEST)))

    assert isinstance(error, SendTransactionPreflightFailureMessage)
    assert error.message.endswith("Error processing Instruction 0: custom program error: 0x1")
    assert any("insufficient lamports" in line for line in error.data.logs or ())
    assert error.data.units_consumed == 150


def test_a_failed_transaction_that_paid_its_fee_is_in_its_block(net: SolanaDevnet) -> None:
    """Skipping preflight costs the fee and leaves a trace."""
    tx = payment(net, 200 * SOL)

    signature = through(net, lambda client: client.send_transaction(tx, opts=UNCHECKED)).value

    landed = net.ledger.landed[str(signature)]
    assert landed.err == {"InstructionError": [0, {"Custom": 1}]}
    assert lamports_of(net, ANN.pubkey()) == 100 * SOL - FEE_LAMPORTS


def test_a_transaction_that_cannot_pay_its_fee_is_in_no_block(net: SolanaDevnet) -> None:
    """The signature comes back, and nothing follows."""
    tx = payment(net, payer=NOBODY)

    signature = through(net, lambda client: client.send_transaction(tx, opts=UNCHECKED)).value

    assert str(signature) not in net.ledger.landed


def test_a_forged_signature_never_lands(net: SolanaDevnet) -> None:
    """Neither through preflight nor past it."""
    tx = VersionedTransaction.populate(payment(net).message, [Signature.from_bytes(bytes(64))])

    error = through(net, lambda client: refusal(client.send_transaction(tx, opts=LATEST)))
    through(net, lambda client: client.send_transaction(tx, opts=UNCHECKED))

    assert error is RpcCustomErrorFieldless.TransactionSignatureVerificationFailure
    assert lamports_of(net, SHOP) == SHOP_RENT


def test_a_transaction_sent_again_lands_once(net: SolanaDevnet) -> None:
    """The second one is refused where the first is known, else answered with its signature."""
    tx = payment(net, recent=block_hash(net, "finalized"))

    async def pay_twice(client: AsyncClient) -> str:
        first = await client.send_transaction(tx)
        again = await client.send_transaction(tx)
        unchecked = await client.send_transaction(tx, opts=UNCHECKED)
        assert first.value == again.value == unchecked.value
        return str((await refusal(client.send_transaction(tx, opts=LATEST))).message)

    assert "already been processed" in through(net, pay_twice)
    assert lamports_of(net, SHOP) == 2 * SHOP_RENT


def test_a_durable_nonce_outlives_every_blockhash(nonce_net: SolanaDevnet) -> None:
    """And is good once."""
    tx = nonce_tx(nonce_net, 5)
    value = nonce_value(nonce_net, NONCE.pubkey())
    nonce_net.advance(400)

    through(nonce_net, lambda client: client.send_transaction(tx))

    assert lamports_of(nonce_net, SHOP) == SHOP_RENT + 5
    assert nonce_value(nonce_net, NONCE.pubkey()) != value
    nonce_net.advance()
    assert nonce_net.pipeline.execute(nonce_tx(nonce_net, 6, value=value)) is None


def test_a_failed_transaction_advances_its_durable_nonce(nonce_net: SolanaDevnet) -> None:
    """As on a cluster, where the bare runtime would take the same value again."""
    tx, value = nonce_tx(nonce_net, 200 * SOL), nonce_value(nonce_net, NONCE.pubkey())

    landed = nonce_net.pipeline.execute(tx)

    assert landed is not None
    assert landed.err == {"InstructionError": [1, {"Custom": 1}]}
    assert nonce_value(nonce_net, NONCE.pubkey()) != value
    nonce_net.advance()
    assert nonce_net.pipeline.execute(nonce_tx(nonce_net, 5, value=value)) is None
    assert nonce_net.pipeline.execute(nonce_tx(nonce_net, 5)) is not None


def test_a_durable_nonce_advances_once_a_slot(nonce_net: SolanaDevnet) -> None:
    """The value of a slot is no use in that slot, not even under a blockhash."""
    sent(nonce_net, nonce_tx(nonce_net, 5))

    assert nonce_net.pipeline.execute(nonce_tx(nonce_net, 6)) is None
    by_hash = nonce_net.pipeline.execute(nonce_tx(nonce_net, 7, value=block_hash(nonce_net)))
    assert by_hash is not None
    assert by_hash.err == {"InstructionError": [0, {"Custom": 7}]}
    nonce_net.advance()
    sent(nonce_net, nonce_tx(nonce_net, 6))


def test_a_nonce_of_an_older_slot_advances_under_that_slots_blockhash(
    nonce_net: SolanaDevnet,
) -> None:
    """The runtime would take it for one of this slot; touching it leaves its value alone."""
    old = block_hash(nonce_net)
    sent(nonce_net, nonce_tx(nonce_net, 5))
    value = nonce_value(nonce_net, NONCE.pubkey())
    assert value == Hash(durable_of(bytes(old)))
    nonce_net.advance()

    sent(nonce_net, payment(nonce_net, to=NONCE.pubkey(), recent=old))
    assert nonce_value(nonce_net, NONCE.pubkey()) == value
    landed = nonce_net.pipeline.execute(nonce_tx(nonce_net, 6, value=old))

    assert landed is not None
    assert landed.err is None
    newest = durable_of(bytes(block_hash(nonce_net)))
    assert nonce_value(nonce_net, NONCE.pubkey()) == Hash(newest)


def test_a_rolled_back_nonce_is_good_again(nonce_net: SolanaDevnet) -> None:
    """Its account goes back with the slot in which it was advanced."""
    tx = nonce_tx(nonce_net, 5)
    sent(nonce_net, tx)
    nonce_net.rollback(1)

    sent(nonce_net, tx)

    assert lamports_of(nonce_net, SHOP) == SHOP_RENT + 5


def test_another_account_in_place_of_the_nonce_lets_nothing_in(nonce_net: SolanaDevnet) -> None:
    """The authority must have signed, and the account must be a nonce."""
    advance = advance_nonce_account(
        AdvanceNonceAccountParams(nonce_pubkey=NONCE.pubkey(), authorized_pubkey=BEN.pubkey())
    )
    value = nonce_value(nonce_net, NONCE.pubkey())

    assert nonce_net.pipeline.execute(signed(nonce_net, [advance], BEN, recent=value)) is None


def test_dropped_sends_are_answered_and_never_land(net: SolanaDevnet) -> None:
    """The next few, or a share of all that the seed chooses."""
    net.faults.drop_next = 2
    signatures = [str(net.pipeline.send(payment(net, lamports))) for lamports in (1, 2, 3)]
    assert [one in net.ledger.landed for one in signatures] == [False, False, True]
    assert net.faults.dropped == signatures[:2]

    net.faults.drop_bps = 5_000
    many = [net.pipeline.send(payment(net, lamports)) for lamports in range(10, 110)]

    assert 25 < sum(one in net.ledger.landed for one in many) < 75


def test_a_delayed_transaction_lands_some_slots_later(net: SolanaDevnet) -> None:
    """In the slot that is due, unless its blockhash expires on the way."""
    net.faults.inclusion_delay_slots = 3
    signature = net.pipeline.send(payment(net))
    slot = net.slot
    net.advance(2)
    assert signature not in net.ledger.landed

    net.advance(2)

    assert net.ledger.landed[signature].slot == slot + 3
    net.faults.inclusion_delay_slots = 200
    late = net.pipeline.send(payment(net, 7))
    net.advance(201)
    assert late not in net.ledger.landed


def test_a_node_that_is_behind_takes_no_transaction(net: SolanaDevnet) -> None:
    """Its health says how far."""
    net.faults.behind_slots = 42

    error = through(net, lambda client: refusal(client.send_transaction(payment(net))))

    assert isinstance(error, NodeUnhealthyMessage)
    assert error.data.num_slots_behind == 42


def test_a_program_runs_and_stays_over_rollbacks(net: SolanaDevnet) -> None:
    """Programs that tests put there are part of the genesis."""
    program = Pubkey.from_bytes(bytes([77]) * 32)
    net.add_program(program, elf_of(RETURN_ZERO))
    call = Instruction(program, b"", [])
    sent(net, signed(net, [call], ANN))
    net.rollback(1)

    landed = net.pipeline.execute(signed(net, [call], BEN))

    assert landed is not None
    assert landed.err is None
    assert landed.outcome.compute_units_consumed() == 2


def test_a_call_of_a_program_that_is_not_there_is_refused(net: SolanaDevnet) -> None:
    """In the cluster's words at preflight; past it, it is in no block."""
    tx = signed(net, [Instruction(NOBODY.pubkey(), b"", [])], ANN)

    error = through(net, lambda client: refusal(client.send_transaction(tx, opts=LATEST)))

    assert error.message.endswith("Attempt to load a program that does not exist")
    assert net.pipeline.execute(tx) is None
