"""A deployment with people, collateral and debts, for the steps that decide, sign and send."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from eth_hash.auto import keccak

from chains.command import (
    Command,
    LinkOwner,
    Liquidation,
    OpenAccount,
    RequestCredit,
    RequestUnlock,
    SignedCommand,
)
from chains.events import CollateralReleased, EventPosition, ObservedEvent
from chains.message import Message, MessageKind
from chains.types import BlockHeader, BlockRef, ChainId, chain_key
from relayer import wiring
from relayer.clock import UnixSeconds
from relayer.guardian.request import AttestationRequest
from relayer.ledger.chart import (
    AccountCode,
    Side,
    assumed_code,
    debt_code,
    lent_code,
    margin_code,
    vault_code,
)
from relayer.ledger.journal import JournalEntry, Phase, Posting, entry_id_of
from relayer.money import AssetId
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import Signatory
from relayer.steps.fence import open_fence
from relayer.store.leases import watch_lease_name
from relayer.store.outbox import StoredMessage
from relayer.store.prices import PricePoint
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    CHAIN_A,
    CHAIN_B,
    CHAIN_C,
    CREDIT,
    GUARDIANS,
    HUB,
    LINE_C,
    OPEN,
    OPERATOR,
    SALT,
    UNLOCK,
    USDC_B,
    VAULT_A,
    VAULT_B,
    WETH_A,
    Signer,
    Wallet,
    deployment_settings,
    signer,
)

LIQ: Final = signer("liquidator")
LIQ_OPEN: Final = OpenAccount(opener=LIQ.address, salt=SALT)
LIQ_ACCOUNT: Final = LIQ_OPEN.account
LIQ_RECIPIENT: Final = signer("cold wallet").address
ETHER: Final = 10**18
DOLLAR: Final = 10**6
PROTOCOL: Final = "lender"
HEIGHT: Final = 100
FENCE: Final = open_fence


def catalog_of_world(**changes: Any) -> Catalog:
    """Return the deployment with one liquidator."""
    recipients = [
        {"chain_id": chain_id, "address": "0x" + LIQ_RECIPIENT.hex()}
        for chain_id in (CHAIN_A, CHAIN_B)
    ]
    liquidator = {"account": "0x" + LIQ_ACCOUNT.hex(), "recipients": recipients}
    settings = deployment_settings(liquidators=[liquidator])
    return replace(wiring.catalog_of(settings), **changes)


def signed(command: Command, *signers: Wallet) -> SignedCommand:
    """Return a command with signatures."""
    return SignedCommand(command, tuple(wallet.sign_command(command, HUB) for wallet in signers))


SIGNED_OPEN: Final = signed(OPEN, ANN)
SIGNED_UNLOCK: Final = signed(UNLOCK, ANN)
SIGNED_CREDIT: Final = signed(replace(CREDIT, expiry=NOW + 3_000), ANN, OPERATOR)


def open_account(store: Store, opening: OpenAccount = OPEN, opener: Signer = ANN) -> None:
    """Open an account as accept does."""
    with store.unit_of_work() as uow:
        command_id = opening.digest(HUB)
        uow.accounts.open(
            opening.account,
            opener=opening.opener,
            salt=opening.salt,
            command_id=command_id,
            at=uow.clock.now(),
        )
        uow.commands.store(command_id, signed(opening, opener))


def link_owner(store: Store, link: LinkOwner, owner: Signer, linked: Signer) -> SignedCommand:
    """Link an owner as accept does."""
    command = signed(link, owner, linked)
    with store.unit_of_work() as uow:
        uow.accounts.link(
            link.account,
            chain_id=ChainId(link.chain_id),
            owner=link.owner,
            command_id=link.digest(HUB),
            at=uow.clock.now(),
        )
        uow.commands.store(link.digest(HUB), command)
    return command


def post(store: Store, name: str, moves: Mapping[AccountCode, int], place: tuple[str, str]) -> None:
    """Book moves of one asset on one chain."""
    asset_id, chain_id = AssetId(place[0]), ChainId(place[1])
    cause = keccak(name.encode())
    entry = JournalEntry(
        entry_id=entry_id_of("test.move", cause),
        kind="test.move",
        cause=cause,
        phase=Phase.POSTED,
        postings=tuple(Posting(code, asset_id, chain_id, units) for code, units in moves.items()),
        resolves=None,
        reversal_of=None,
        correlation_id=cause,
        booked_at=UnixSeconds(NOW),
    )
    with store.unit_of_work() as uow:
        assert uow.ledger.post(entry).is_booked


def lock_ether(store: Store, units: int, account: bytes = ACCOUNT, name: str = "lock") -> None:
    """Book ether in the vault of chain A as final."""
    name += account.hex()
    moves = {vault_code(VAULT_A): units, margin_code(account): -units}
    post(store, name, moves, ("WETH", CHAIN_A))


def lock_dollars(store: Store, units: int, account: bytes = ACCOUNT, name: str = "usd") -> None:
    """Book dollars in the vault of chain B as final."""
    name += account.hex()
    moves = {vault_code(VAULT_B): units, margin_code(account): -units}
    post(store, name, moves, ("USDC", CHAIN_B))


def owe(store: Store, units: int, account: bytes = ACCOUNT, name: str = "debt") -> None:
    """Book a debt at the credit line of chain C as final."""
    name += account.hex()
    moves = {debt_code(PROTOCOL, account): units, lent_code(PROTOCOL): -units}
    post(store, name, moves, ("USDC", CHAIN_C))


def set_price(store: Store, usd: int, asset_id: str = "WETH") -> None:
    """Record a fresh price of a whole token, in whole dollars."""
    label = f"{asset_id.lower()}-usd"
    with store.unit_of_work() as uow:
        now = uow.clock.now()
        uow.prices.record(
            PricePoint(label, CHAIN_A, AssetId(asset_id), usd * 10**8, 8, now, now, 1)
        )


def set_prices(store: Store, ether_usd: int = 3_000) -> None:
    """Record the price of ether, and a dollar for a dollar."""
    set_price(store, ether_usd)
    set_price(store, 1, "USDC")


def block_of(height: int, branch: str = "") -> BlockRef:
    """Return the block at a height of the tests' chains."""
    return BlockRef(height, keccak(f"block {height} {branch}".encode()))


def header_of(height: int, at: int = NOW, branch: str = "") -> BlockHeader:
    """Return its header."""
    return BlockHeader(block_of(height, branch), block_of(height - 1).block_hash, at)


def see_final(
    store: Store,
    chain_id: ChainId,
    height: int,
    events: Sequence[ObservedEvent] = (),
    at: int = NOW,
) -> None:
    """Store a final range up to a height, as a watcher does."""
    with store.unit_of_work() as uow:
        name = watch_lease_name(chain_id)
        lease = uow.leases.lease(name) or uow.leases.acquire(name, "watcher", 86_400)
        assert lease is not None
        cursor = uow.chains.cursor(chain_id)
        uow.chains.store_finalized_range(cursor, events, header_of(height, at), lease)


def see_block(
    store: Store,
    chain_id: ChainId,
    height: int,
    events: Sequence[ObservedEvent] = (),
    parent: int | None = None,
) -> None:
    """Store one block that is not final, as a watcher does; heights below it may be empty."""
    with store.unit_of_work() as uow:
        name = watch_lease_name(chain_id)
        lease = uow.leases.lease(name) or uow.leases.acquire(name, "watcher", 86_400)
        assert lease is not None
        cursor = uow.chains.cursor(chain_id)
        header = header_of(height)
        if parent is not None:
            header = replace(header, parent_hash=block_of(parent).block_hash)
        uow.chains.store_block(cursor, header, events, lease)


def watched(store: Store, height: int = HEIGHT) -> None:
    """Store a final block of every chain."""
    for chain_id in (CHAIN_A, CHAIN_B, CHAIN_C):
        see_final(store, chain_id, height)


def settled_world(store: Store, *, ether: int = 10, owed_usd: int = 0) -> None:
    """Fill a store: ann with collateral and debt, a liquidator with dollars, prices, blocks."""
    open_account(store)
    open_account(store, LIQ_OPEN, LIQ)
    lock_ether(store, ether * ETHER)
    lock_dollars(store, 1_000_000 * DOLLAR, LIQ_ACCOUNT)
    if owed_usd:
        owe(store, owed_usd * DOLLAR)
    set_prices(store)
    watched(store)


def ask(store: Store, command: SignedCommand) -> bytes:
    """Store a request as accept does; return its id."""
    command_id = command.command.digest(HUB)
    account = getattr(command.command, "account", ACCOUNT)
    with store.unit_of_work() as uow:
        uow.commands.store(command_id, command)
        uow.requests.open(
            command_id=command_id,
            kind=type(command.command).__name__,
            account=account,
            correlation_id=command_id,
        )
    return command_id


def margin(
    store: Store, account: bytes = ACCOUNT, place: tuple[str, str] = ("WETH", CHAIN_A)
) -> Any:
    """Return (available, held) of an account. [base units]"""
    with store.read() as uow:
        counters = uow.ledger.counters(margin_code(account), AssetId(place[0]), ChainId(place[1]))
        return counters.available(Side.CREDIT), counters.held(Side.CREDIT)


def owed(store: Store, account: bytes = ACCOUNT, assumer: bytes | None = None) -> int:
    """Return what an account owes, or what another took over of it. [base units]"""
    code = debt_code(PROTOCOL, account)
    if assumer is not None:
        code = assumed_code(PROTOCOL, account, assumer)
    with store.read() as uow:
        return uow.ledger.counters(code, AssetId("USDC"), CHAIN_C).posted(Side.DEBIT)


def kinds_booked(store: Store) -> list[str]:
    """Return the kinds of the journal's entries in order, those of the tests left out."""
    with store.read() as uow:
        booked = uow.ledger.entries(after_seq=0, limit=1_000)
    return [found.entry.kind for found in booked if found.entry.kind != "test.move"]


def stored_message(store: Store, message_id: bytes) -> StoredMessage:
    """Return a message that must be there."""
    with store.read() as uow:
        found = uow.outbox.get(message_id)
    assert found is not None
    return found


def message_of(command: SignedCommand, **changes: Any) -> Message:
    """Return the message that a command makes, with changes."""
    match asked := command.command:
        case RequestUnlock():
            terms = (asked.chain_id, asked.vault, asked.token, asked.amount, asked.recipient)
            kind, expiry = MessageKind.RELEASE, NOW + 3_600
        case RequestCredit():
            terms = (asked.chain_id, asked.credit_line, asked.token, asked.limit, asked.borrower)
            kind, expiry = MessageKind.CREDIT_GRANT, asked.expiry
        case Liquidation():
            terms = (
                asked.collateral_chain,
                asked.vault,
                asked.token,
                asked.seized,
                asked.recipient,
            )
            kind, expiry = MessageKind.SEIZE, NOW + 3_600
        case _:
            raise AssertionError(asked)
    values: dict[str, Any] = {
        "kind": kind,
        "origin": chain_key(HUB),
        "target": chain_key(ChainId(terms[0])),
        "vault": terms[1],
        "nonce": 1,
        "account": asked.account,
        "token": terms[2],
        "amount_units": terms[3],
        "recipient": terms[4],
        "expiry_seconds": expiry,
        "epoch": 1,
        "evidence": asked.digest(HUB),
    }
    return Message(**(values | changes))


def request_of(
    command: SignedCommand,
    *,
    context: Sequence[SignedCommand] = (SIGNED_OPEN,),
    **changes: Any,
) -> AttestationRequest:
    """Return what an honest hub asks of a guardian; changes are to the message."""
    asked = command.command
    target: str = getattr(asked, "collateral_chain", getattr(asked, "chain_id", CHAIN_A))
    return AttestationRequest(
        message=message_of(command, **changes),
        target_chain=ChainId(target),
        command=command,
        context=tuple(context),
        heights=dict.fromkeys((CHAIN_A, CHAIN_B, CHAIN_C), HEIGHT),
    )


def released(message: Message, height: int = HEIGHT + 1, chain_id: ChainId = CHAIN_A) -> Any:
    """Return the event with which a vault says that it executed a release."""
    return CollateralReleased(
        position=position_at(height, chain_id, message.vault, 0),
        message_id=message.message_id,
        account=message.account,
        token=message.token,
        recipient=message.recipient,
        units=message.amount_units,
        held_after_units=0,
    )


def position_at(height: int, chain_id: ChainId, contract: bytes, log_index: int) -> EventPosition:
    """Return a place in a block of the tests' chains."""
    tx_hash = keccak(f"transaction {height} {log_index}".encode())
    return EventPosition(chain_id, block_of(height), tx_hash, log_index, contract)


@dataclass(frozen=True, slots=True)
class Guardian:
    """A guardian's key as it signs."""

    key: Signer

    def signatory(self, price_tolerance_bps: int = 100) -> Signatory:
        """Return what countersign needs."""
        return Signatory(
            self.key.address,
            lambda digest: bytes.fromhex(self.key.sign(digest)[2:]),
            price_tolerance_bps,
        )


GUARDIAN: Final = Guardian(GUARDIANS[0])
SIGNATORY: Final = GUARDIAN.signatory()
LINE: Final = LINE_C
TOKENS: Final = (WETH_A, USDC_B)
