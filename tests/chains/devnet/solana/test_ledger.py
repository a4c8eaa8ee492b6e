"""Slots, levels, and slots that are taken back."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from solders.account import Account
from solders.hash import Hash
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import (
    AdvanceNonceAccountParams,
    TransferParams,
    advance_nonce_account,
    create_nonce_account,
    transfer,
)
from solders.transaction import VersionedTransaction

from chains.devnet.rpc import DevnetError
from chains.devnet.solana.codec import SYSTEM_PROGRAM
from chains.devnet.solana.net import SolanaDevnet, solana_devnet
from chains.finality import Finality
from tests.chains.devnet.solana.scenes import (
    ANN,
    BEN,
    SHOP,
    SHOP_RENT,
    SOL,
    block_hash,
    lamports_of,
    nonce_value,
    payment,
    sent,
    signed,
)

NONCE = Keypair.from_seed(bytes([3]) * 32)
STRANGERS = [Pubkey.from_bytes(bytes([100 + place]) * 32) for place in range(4)]
WATCHED = [ANN.pubkey(), BEN.pubkey(), NONCE.pubkey(), SHOP, *STRANGERS]
LEVELS = ("processed", "confirmed", "finalized")

# who pays, whom, how much: some fail for want of money, some do not even pay their fee
PAYMENTS = st.tuples(
    st.sampled_from([ANN, BEN]),
    st.sampled_from([*STRANGERS, ANN.pubkey(), BEN.pubkey()]),
    st.sampled_from([1, SHOP_RENT, 2 * SHOP_RENT, 3 * SOL, 200 * SOL]),
)
MOVES = st.one_of(PAYMENTS, st.sampled_from(["nonce", "failing nonce", "set"]), st.integers(1, 4))
HISTORIES = st.lists(MOVES, max_size=8)


def opened(net: SolanaDevnet) -> Hash:
    """Give everybody something final, and return a blockhash that outlives any rollback."""
    for key in (ANN.pubkey(), BEN.pubkey()):
        net.airdrop(key, 10 * SOL)
    net.advance()
    net.airdrop(SHOP, SHOP_RENT)
    made = create_nonce_account(ANN.pubkey(), NONCE.pubkey(), ANN.pubkey(), 2 * SHOP_RENT)
    sent(net, signed(net, list(made), ANN, NONCE))
    net.advance(40)
    return block_hash(net, "finalized")


def play(net: SolanaDevnet, history: list[object], recent: Hash, *, salt: int) -> None:
    """Make moves; the same ones with the same salt are the same transactions."""
    advance = advance_nonce_account(
        AdvanceNonceAccountParams(nonce_pubkey=NONCE.pubkey(), authorized_pubkey=ANN.pubkey())
    )
    for place, move in enumerate(history):
        mark = salt * 100 + place
        match move:
            case int():
                net.advance(move)
            case "nonce" | "failing nonce":
                lamports = mark if move == "nonce" else 200 * SOL + mark
                pay = transfer(
                    TransferParams(from_pubkey=ANN.pubkey(), to_pubkey=SHOP, lamports=lamports)
                )
                tx = signed(net, [advance, pay], ANN, recent=nonce_value(net, NONCE.pubkey()))
                net.pipeline.execute(tx)
            case "set":
                account = Account(SOL + mark, bytes([mark % 256]), SYSTEM_PROGRAM)
                net.set_account(STRANGERS[0], account)
            case (Keypair() as payer, Pubkey() as to, int(lamports)):
                tx = payment(net, lamports + mark, payer=payer, recent=recent, to=to)
                net.pipeline.execute(tx)


def state_of(net: SolanaDevnet) -> list[object]:
    """Return all that can be asked about the chain from the newest final slot on."""
    shown: list[object] = []
    for level in LEVELS:
        config = {"commitment": level, "encoding": "base64"}
        shown.append(net.ask("getMultipleAccounts", list(map(str, WATCHED)), config))
        shown.append(net.ask("getProgramAccounts", str(SYSTEM_PROGRAM), config))
        shown.append(net.ask("getLatestBlockhash", config))
        shown.append(net.ask("getTransactionCount", config))
    confirmed = {"commitment": "confirmed"}
    shown += [net.ask("getSignaturesForAddress", str(key), confirmed) for key in WATCHED]
    for block in net.ledger.blocks:
        landed = [(one.signature, one.slot, one.err, one.after) for one in block.landed]
        shown.append((block.slot, block.parent_slot, block.height, block.block_hash, landed))
    return shown


@settings(max_examples=40)
@given(kept=HISTORIES, dropped=HISTORIES, replayed=HISTORIES)
def test_after_a_rollback_the_chain_is_what_it_would_be_without_what_was_dropped(
    kept: list[object], dropped: list[object], replayed: list[object]
) -> None:
    """State, histories and hashes equal those of a chain that never had the dropped slots."""
    net, fresh = SolanaDevnet(), SolanaDevnet()
    recent = opened(net)
    assert opened(fresh) == recent
    play(net, kept, recent, salt=1)
    play(fresh, kept, recent, salt=1)
    fork_slot = net.slot
    net.advance()
    play(net, dropped, recent, salt=2)
    final_slot = final_slot_of(net)
    assume(fork_slot >= final_slot)

    gone = net.rollback(net.slot - fork_slot, is_refilling=True, fork=0)
    fresh.advance()
    play(net, replayed, recent, salt=3)
    play(fresh, replayed, recent, salt=3)
    if final_slot_of(fresh) < final_slot:
        net.advance(final_slot - final_slot_of(fresh))
        fresh.advance(final_slot - final_slot_of(fresh))

    assert final_slot_of(net) == final_slot_of(fresh)
    assert state_of(net) == state_of(fresh)
    assert not set(gone) & set(net.ledger.landed)


def final_slot_of(net: SolanaDevnet) -> int:
    """Return the newest final slot."""
    return net.ledger.block_at(Finality.FINALIZED).slot


@pytest.mark.parametrize("slots", range(1, 32))
def test_every_depth_above_the_final_slot_can_be_rolled_back(net: SolanaDevnet, slots: int) -> None:
    """What landed in the dropped slots is gone, what landed before is there."""
    signatures = {}
    for _ in range(31):
        signatures[net.slot] = sent(net, payment(net, net.slot))  # pays the number of its slot
        if len(signatures) < 31:
            net.advance()
    tip = net.slot

    gone = net.rollback(slots)

    assert gone == [one for slot, one in signatures.items() if slot > tip - slots]
    assert all(net.ask("getTransaction", one) is None for one in gone)
    left = sum(slot for slot in signatures if slot <= tip - slots)
    assert lamports_of(net, SHOP) == SHOP_RENT + left
    assert net.slot == tip + 1


def test_a_final_slot_is_never_rolled_back(net: SolanaDevnet) -> None:
    """Not even by one slot too many."""
    net.advance(40)

    with pytest.raises(DevnetError, match="final"):
        net.rollback(32)
    net.rollback(31)

    assert net.ledger.tip.parent_slot == final_slot_of(net)


def test_dropped_slots_stay_without_blocks_unless_they_are_filled_again(net: SolanaDevnet) -> None:
    """A node that changes over to another fork goes on with higher slots."""
    net.advance(3)
    tip = net.slot

    net.rollback(3)

    assert net.ledger.tip.slot == tip + 1
    assert net.ledger.tip.parent_slot == tip - 3
    net.rollback(1, is_refilling=True)
    assert net.ledger.tip.slot == tip + 1


def test_a_slot_that_is_filled_again_is_not_confirmed_by_what_it_was(net: SolanaDevnet) -> None:
    """Its new block goes through the levels from the beginning."""
    net.advance(3)
    net.rollback(3, is_refilling=True)
    signature = sent(net, payment(net))

    shown = []
    for _ in range(2):
        status = net.ask("getSignatureStatuses", [signature])["value"][0]
        shown.append(status["confirmationStatus"])
        net.advance()

    assert shown == ["processed", "confirmed"]


def test_a_new_fork_has_other_hashes_and_does_not_know_the_old(net: SolanaDevnet) -> None:
    """A transaction that rests on a dropped block is of no use afterwards."""
    net.advance(2)
    recent = block_hash(net)
    tx = payment(net, recent=recent)

    net.rollback(2, is_refilling=True)
    net.advance(2)

    assert block_hash(net) != recent
    assert net.pipeline.execute(tx) is None


def test_what_was_dropped_lands_again_on_demand(net: SolanaDevnet) -> None:
    """As far as its blockhash is still known, in its order, under the same signature."""
    first = sent(net, payment(net, 5, recent=block_hash(net, "finalized")))
    net.advance()
    second = sent(net, payment(net, 6, recent=block_hash(net)))

    gone = net.rollback(2, is_including_again=True)

    assert gone == [second]
    assert net.ledger.landed[first].slot == net.slot
    assert lamports_of(net, SHOP) == SHOP_RENT + 5


def test_each_level_shows_its_own_past(net: SolanaDevnet) -> None:
    """A payment is processed at once, confirmed a slot later, final 31 slots later."""
    sent(net, payment(net))
    shown = [[lamports_of(net, SHOP, level) for level in LEVELS]]
    for slots in (1, 29, 1):
        net.advance(slots)
        shown.append([lamports_of(net, SHOP, level) for level in LEVELS])

    old, new = SHOP_RENT, 2 * SHOP_RENT
    assert shown == [[new, old, old], [new, new, old], [new, new, old], [new, new, new]]


def test_a_slot_may_be_skipped_by_command(net: SolanaDevnet) -> None:
    """Heights count blocks, slots count time."""
    before = net.ledger.tip

    net.skip(3)

    after = net.ledger.tip
    assert (after.slot, after.parent_slot) == (before.slot + 4, before.slot)
    assert after.height == before.height + 1
    clock = net.ledger.bank.svm.get_clock()
    assert (clock.slot, clock.unix_timestamp) == (after.slot, net.options.time_of(after.slot))


def test_the_seed_says_which_slots_are_skipped() -> None:
    """The same seed skips the same ones; another one others."""

    def slots_of(seed: int) -> list[int]:
        net = solana_devnet(seed=seed, skipped_bps=3_000)
        net.advance(100)
        return [block.slot for block in net.ledger.blocks]

    assert slots_of(1) == slots_of(1) != slots_of(2)
    assert 50 < len(slots_of(1)) < 90


def test_history_is_kept_as_far_back_as_the_options_say() -> None:
    """Older blocks, their hashes and their transactions make room."""
    with solana_devnet(slots_kept=5) as net:
        net.airdrop(SHOP, SHOP_RENT)
        signature = next(iter(net.ledger.landed))
        net.advance(36)
        assert net.ask("getTransaction", signature) is not None

        net.advance()

        assert net.ask("getFirstAvailableBlock") == net.ask("minimumLedgerSlot") == 2
        assert net.ask("getTransaction", signature) is None
        assert net.ask("getSignaturesForAddress", str(SHOP)) == []
        assert lamports_of(net, SHOP, "finalized") == SHOP_RENT


def test_versions_make_room_once_they_are_final(net: SolanaDevnet) -> None:
    """A cluster that runs for days does not keep every past of every account."""
    for _ in range(100):
        sent(net, payment(net, net.slot))
        net.advance()
    net.advance(31)

    assert not net.ledger.bank._versions
    assert not net.ledger.bank._changed


@pytest.mark.parametrize("slots", [0, -1, 10**9])
def test_no_command_moves_backwards_or_for_ever(net: SolanaDevnet, slots: int) -> None:
    """Slots pass forwards, and a bounded number at once."""
    with pytest.raises(DevnetError):
        net.advance(slots)
    with pytest.raises(DevnetError):
        net.skip(slots)


def test_an_unchanged_transaction_lands_once(net: SolanaDevnet) -> None:
    """The server knows every signature, as the runtime does not."""
    tx: VersionedTransaction = payment(net)
    sent(net, tx)

    assert net.pipeline.execute(tx) is None
    assert lamports_of(net, SHOP) == 2 * SHOP_RENT
