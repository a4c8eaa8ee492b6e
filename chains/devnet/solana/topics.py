"""What a websocket can subscribe to: which events a subscription takes, and what it is told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from solders.pubkey import Pubkey

from chains.devnet.exchange import CODE_NO_METHOD, RefusalError
from chains.devnet.solana.codec import NO_ACCOUNT, account_fields, pubkey_of, signature_of
from chains.devnet.solana.filters import filters_of
from chains.devnet.solana.ledger import Ledger
from chains.devnet.solana.params import Params, in_context, level_of, sure_level_of
from chains.devnet.solana.records import Block, Landed
from chains.devnet.solana.refusals import invalid
from chains.devnet.solana.views import block_fields, encoding_of
from chains.finality import Finality

KINDS: Final = ("slot", "root", "logs", "account", "program", "signature", "block")


@dataclass(frozen=True, slots=True)
class SlotOpened:
    """Transactions land in another slot from now on."""

    block: Block
    root: int


@dataclass(frozen=True, slots=True)
class Reached:
    """A level reached a block; at LATEST: its newest transaction alone."""

    finality: Finality
    block: Block
    landed: tuple[Landed, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """Accounts are, at a level, no longer what they were."""

    finality: Finality
    slot: int
    keys: tuple[Pubkey, ...]


Event = SlotOpened | Reached | Changed
Told = Callable[[Event], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Topic:
    """One subscription: its kind, what it tells of an event, and whether one telling ends it."""

    kind: str
    told: Told
    is_once: bool = False


def topic_of(method: str, params: Params, ledger: Ledger) -> Topic:
    """
    Return what a subscribe method asks for.

    Raises:
        RefusalError: not served, or wrong parameters.
    """
    kind = method.removesuffix("Subscribe")
    makers: dict[str, Callable[[], Told]] = {
        "slot": lambda: _slots,
        "root": lambda: _roots,
        "logs": lambda: _logs(params),
        "account": lambda: _account(params, ledger),
        "program": lambda: _program(params, ledger),
        "signature": lambda: _signature(params),
        "block": lambda: _block(params),
    }
    if kind == method or kind not in makers:
        text = f"Method not found: {method[:64]} is not served by this devnet"
        raise RefusalError(CODE_NO_METHOD, text)
    return Topic(kind, makers[kind](), is_once=kind == "signature")


def past_of(kind: str, params: Params, ledger: Ledger) -> Reached | None:
    """Return what a signature's subscription has missed, None if nothing."""
    if kind != "signature":
        return None
    landed = ledger.landed.get(signature_of(params.required(0)))
    level = level_of(params.config(1))
    if landed is None or landed.slot > ledger.block_at(level).slot:
        return None
    block = ledger.block_of(landed.slot)
    return None if block is None else Reached(level, block, (landed,))


def _slots(event: Event) -> Iterator[Any]:
    if isinstance(event, SlotOpened):
        block = event.block
        yield {"slot": block.slot, "parent": block.parent_slot, "root": event.root}


def _roots(event: Event) -> Iterator[Any]:
    if isinstance(event, Reached) and event.finality is Finality.FINALIZED:
        yield event.block.slot


def _logs(params: Params) -> Told:
    asked, level = params.required(0), level_of(params.config(1))
    mentioned: Pubkey | None = None
    match asked:
        case "all" | "allWithVotes":
            pass
        case {"mentions": [str(text)]}:
            mentioned = pubkey_of(text)
        case _:
            raise invalid("Invalid Request: Only 1 address supported")

    def told(event: Event) -> Iterator[Any]:
        if not isinstance(event, Reached) or event.finality is not level:
            return
        for one in event.landed:
            if mentioned is None or mentioned in one.keys.all:
                value = {"signature": one.signature, "err": one.err, "logs": one.outcome.logs()}
                yield in_context(one.slot, value)

    return told


def _account(params: Params, ledger: Ledger) -> Told:
    key, config = pubkey_of(params.required(0)), params.config(1)
    level = level_of(config)
    account_fields(NO_ACCOUNT, config)

    def told(event: Event) -> Iterator[Any]:
        if isinstance(event, Changed) and event.finality is level and key in event.keys:
            account = ledger.bank.account(key, event.slot) or NO_ACCOUNT
            yield in_context(event.slot, account_fields(account, config))

    return told


def _program(params: Params, ledger: Ledger) -> Told:
    owner, config = pubkey_of(params.required(0)), params.config(1)
    level, is_kept = level_of(config), filters_of(config)
    account_fields(NO_ACCOUNT, config)

    def told(event: Event) -> Iterator[Any]:
        if not isinstance(event, Changed) or event.finality is not level:
            return
        for key in event.keys:
            account = ledger.bank.account(key, event.slot)
            if account is not None and account.owner == owner and is_kept(account):
                value = {"pubkey": str(key), "account": account_fields(account, config)}
                yield in_context(event.slot, value)

    return told


def _signature(params: Params) -> Told:
    signature, level = signature_of(params.required(0)), level_of(params.config(1))

    def told(event: Event) -> Iterator[Any]:
        if isinstance(event, Reached) and event.finality is level:
            for one in event.landed:
                if one.signature == signature:
                    yield in_context(one.slot, {"err": one.err})

    return told


def _block(params: Params) -> Told:
    asked, config = params.required(0), params.config(1)
    level = sure_level_of(config)
    encoding_of(config)
    mentioned: Pubkey | None = None
    match asked:
        case "all":
            pass
        case {"mentionsAccountOrProgram": str(text)}:
            mentioned = pubkey_of(text)
        case _:
            raise invalid("Invalid params: a filter is all or mentionsAccountOrProgram")

    def told(event: Event) -> Iterator[Any]:
        if not isinstance(event, Reached) or event.finality is not level:
            return
        landed = [one for one in event.landed if mentioned is None or mentioned in one.keys.all]
        if mentioned is not None and not landed:
            return
        block = event.block
        shown: dict[str, Any] = {"slot": block.slot, "err": None, "block": None}
        part = Block(
            block.slot,
            block.parent_slot,
            block.height,
            block.parent_hash,
            block.seconds,
            block.fork,
            block.block_hash,
            landed,
        )
        try:
            shown["block"] = block_fields(part, config)
        except RefusalError:
            shown["err"] = {"UnsupportedTransactionVersion": 0}
        yield in_context(block.slot, shown)

    return told
