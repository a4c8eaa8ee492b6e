"""Any sequence of locks, payments, exits and gifts leaves the vault able to pay what it owes."""

from hypothesis import given, settings
from hypothesis import strategies as st
from solders.keypair import Keypair

from chains.command import account_id
from chains.message import MessageKind
from chains.solana.vault_addresses import TOKEN_2022_PROGRAM
from chains.solana.vault_instructions import CAPACITY as CAPACITY_KEY
from chains.solana.vault_instructions import exit_by_opener
from tests.contracts_solana.runtime import RefusedError, key_named, transfer_fee
from tests.contracts_solana.world import LIMITS, NO_WORD, UNITS, World, open_world

OPENERS: tuple[Keypair, ...] = tuple(key_named(f"opener:{number}") for number in range(3))
ACCOUNTS = tuple(account_id(opener=bytes(key.pubkey()), salt=NO_WORD) for key in OPENERS)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("lock", "release", "seize", "exit", "gift", "wait")),
        st.integers(0, len(OPENERS) - 1),
        st.integers(0, 3_000),
    ),
    min_size=1,
    max_size=20,
)


def world_of(*, fee_bps: int) -> World:
    """Return a vault of a token that keeps a share of every transfer, or of a plain one."""
    world = open_world()
    if fee_bps:
        extra = transfer_fee(fee_bps)
        world.token = world.runtime.make_mint("fee", program=TOKEN_2022_PROGRAM, extra=extra)
        world.execute(
            world.message(MessageKind.PARAMETER, recipient=CAPACITY_KEY, amount_units=5_000)
        )
        world.runtime.open_wallet(world.alice.pubkey(), world.token)
        world.source = world.runtime.make_token_account(
            "rich", world.token, wallet=world.alice.pubkey(), units=UNITS, has_fees=True
        )
    return world


def take(world: World, name: str, place: int, units: int) -> int:
    """Do one step; return the units of a gift."""
    if name == "lock":
        world.lock(units, account=ACCOUNTS[place])
    elif name == "exit":
        world.runtime.set_time(world.runtime.now + LIMITS.exit_delay_seconds * (units % 2))
        leaving = world.exit_of(opener=bytes(OPENERS[place].pubkey()))
        delivery = exit_by_opener(world.at, OPENERS[place].pubkey(), leaving)
        world.runtime.send(delivery, signers=(OPENERS[place],))
    elif name == "gift":
        custody = world.at.custody(world.token.mint)
        content = world.runtime.content(custody)
        amount = int.from_bytes(content[64:72], "little") + units
        world.runtime.tamper(custody, content[:64] + amount.to_bytes(8, "little") + content[72:])
        return units
    elif name == "wait":
        world.runtime.set_time(world.runtime.now + units * 10)
    else:
        kind = MessageKind.RELEASE if name == "release" else MessageKind.SEIZE
        world.execute(world.message(kind, account=ACCOUNTS[place], amount_units=units))
    return 0


@settings(max_examples=40)
@given(steps=STEPS, fee_bps=st.sampled_from((0, 250)))
def test_r14_custody_covers_every_position(steps: list[tuple[str, int, int]], fee_bps: int) -> None:
    """Positions add up to what is held; custody is that and gifts; lock ids have no gap."""
    world = world_of(fee_bps=fee_bps)
    gifts = locks = 0

    for name, place, units in steps:
        try:
            gifts += take(world, name, place, units)
            locks += name == "lock"
        except RefusedError as refusal:
            if refusal.code is None:
                raise
        owed = sum(world.units_of(account) for account in ACCOUNTS)
        assert owed == world.asset.held_units
        assert world.custody_units == owed + gifts
        assert world.vault.lock_count == locks
