"""The doctor's checks of what belongs to no chain: database, broker, keys, guardians, prices."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chains.finality import ChainIdentity
from chains.port import Quote
from chains.sending import ExpiringSender, NonceSender
from chains.types import ChainId, text_of_word, word_of_text
from relayer import wiring
from relayer.cli.checks import (
    BrokenError,
    Check,
    CheckState,
    WarningError,
    attempt,
    attempt_async,
    skipped,
)
from relayer.clock import UnixSeconds
from relayer.money import WAD
from relayer.oracle.price import Quote as JudgedQuote
from relayer.oracle.price import price_of
from relayer.sections import AssetSettings, GuardianMemberSettings
from relayer.settings import Settings
from relayer.store.unit_of_work import Store
from relayer.wiring_catalog import feed_rule_of

KEY_BYTES: Final = 32
OTHERS_MAY_READ: Final = 0o077
GAS_PER_DELIVERY: Final = 350_000  # 235,000 measured at most, 21,000 to begin, 75,000 headroom
# The mark of execution and a recipient's token account stay; signature and priority fee go.
LAMPORTS_PER_DELIVERY: Final = 1_224_960 + 2_039_280 + 500_000
DELIVERIES_MIN: Final = 50


class _UndoError(Exception):
    """Takes a comparison's transaction back."""


def check_database(store: Store) -> tuple[Check, ...]:
    """Return whether the database answers, is at this code's schema, and keeps its triggers."""
    reachable = attempt("database.reachable", "database", lambda: _reached(store))
    if reachable.state is not CheckState.OK:
        because = "the database does not answer"
        return (
            reachable,
            skipped("database.schema", "database", because),
            skipped("database.append_only", "database", because),
        )
    schema = attempt("database.schema", "database", lambda: _at_head(store))
    if schema.state is not CheckState.OK:
        return (
            reachable,
            schema,
            skipped("database.append_only", "database", "the schema is another one"),
        )
    return (
        reachable,
        schema,
        attempt("database.append_only", "database", lambda: _append_only(store)),
    )


def _reached(store: Store) -> str:
    version = store.schema_version()
    return f"{store.engine.dialect.name} answers; it is at migration {version}"


def _at_head(store: Store) -> str:
    store.check_schema()
    return f"at migration {store.schema_version()}"


def _append_only(store: Store) -> str:
    from relayer.store.guards import missing_guards

    missing = missing_guards(store)
    if missing:
        raise BrokenError(f"triggers are missing: {', '.join(missing)}")
    return "every trigger of the migrations is in place"


def compare_identity(store: Store, chain_id: ChainId, identity: ChainIdentity) -> str:
    """
    Compare a node's identity with the stored one; changes nothing.

    Raises:
        WrongChainError: the database knows the chain by another one.
    """
    genesis_hash = identity.genesis.block_hash
    try:
        with store.unit_of_work() as uow:
            uow.chains.remember_identity(chain_id, identity.chain_reference, genesis_hash)
            raise _UndoError
    except _UndoError:
        return f"genesis 0x{genesis_hash.hex()} contradicts nothing stored"


def check_broker(settings: Settings) -> Check:
    """Return whether the broker takes a connection with these credentials."""

    def run() -> str:
        from relayer.worker.app import check_broker as reach_broker
        from relayer.worker.link import is_embedded

        if is_embedded(settings.broker_url):
            return "inside the process; for one machine only"
        reach_broker(settings.broker_url)
        return "takes connections"

    return attempt("broker.reachable", "broker", run)


def check_key(code: str, path: Path) -> Check:
    """Return whether a key file is private and holds a key; nothing of it is shown."""

    def run() -> str:
        text = _private_text(path)
        if text.startswith("{"):
            return "private; a keystore with a passphrase"
        try:
            size = len(bytes.fromhex(text.removeprefix("0x")))
        except ValueError:
            raise BrokenError("not hexadecimal") from None
        if size != KEY_BYTES:
            raise BrokenError(f"{size} bytes of hex; {KEY_BYTES} are needed")
        return "private, and a key of 32 bytes"

    return attempt(code, str(path), run)


def _private_text(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise BrokenError(f"cannot be read: {type(exc).__name__}") from exc
    if mode & OTHERS_MAY_READ:
        raise BrokenError("readable by others")
    if not text:
        raise BrokenError("empty")
    return text


async def check_funds(sender: NonceSender) -> Check:
    """Return whether the sending key can pay for deliveries on a chain, at today's fees."""

    async def run() -> str:
        balance_wei = await sender.balance_units()
        fee_wei = (await sender.suggest_fees()).max_fee_wei
        deliveries = balance_wei // max(GAS_PER_DELIVERY * fee_wei, 1)
        found = (
            f"{text_of_word(sender.address)} has {balance_wei} wei: {deliveries} deliveries of "
            f"{GAS_PER_DELIVERY} gas at {fee_wei} wei"
        )
        return _judged_runway(deliveries, found)

    return await attempt_async("sender.funds", sender.chain_id, run)


async def check_lamports(sender: ExpiringSender) -> Check:
    """Return whether the sending key can pay for deliveries on a chain without nonces."""

    async def run() -> str:
        lamports = await sender.balance_units()
        deliveries = lamports // LAMPORTS_PER_DELIVERY
        found = (
            f"0x{sender.address.hex()} has {lamports} lamports: {deliveries} deliveries of "
            f"{LAMPORTS_PER_DELIVERY} lamports"
        )
        return _judged_runway(deliveries, found)

    return await attempt_async("sender.funds", sender.chain_id, run)


def _judged_runway(deliveries: int, found: str) -> str:
    if deliveries == 0:
        raise BrokenError(f"{found}; nothing is delivered on this chain")
    if deliveries < DELIVERIES_MIN:
        raise WarningError(f"{found}; keep {DELIVERIES_MIN} or more")
    return found


async def check_sender(sender: NonceSender) -> Check:
    """Return whether the sending key can be used on a chain."""

    async def run() -> str:
        account_nonce = await sender.pending_account_nonce()
        final_account_nonce = await sender.final_account_nonce()
        waiting = account_nonce - final_account_nonce
        return f"{text_of_word(sender.address)}: {account_nonce} sent, {waiting} of them not final"

    return await attempt_async("sender.chain", sender.chain_id, run)


async def check_guardian(member: GuardianMemberSettings) -> Check:
    """Return whether a guardian answers at its url itself, and under its own address."""
    found: dict[str, object] = {}

    async def run() -> str:
        address, detail = await wiring.status_door(member).answered_address()
        if address is None:
            raise BrokenError(detail)
        found["address"] = address
        return detail

    reachable = await attempt_async("guardian.reachable", member.label, run)
    if reachable.state is not CheckState.OK:
        return reachable
    return attempt("guardian.identity", member.label, lambda: _same_guardian(member, found))


def _same_guardian(member: GuardianMemberSettings, found: Mapping[str, object]) -> str:
    answered = word_of_text(str(found["address"]))
    if answered != word_of_text(member.address):
        expected = text_of_word(word_of_text(member.address))
        raise BrokenError(f"answers as {text_of_word(answered)}, configured is {expected}")
    return f"answers as {text_of_word(answered)}"


def check_price(asset: AssetSettings, quotes: Mapping[str, Quote], now_seconds: int) -> Check:
    """Return whether the feeds of an asset give a price that decisions are taken on."""

    def run() -> str:
        rule = feed_rule_of(asset)
        judged = [
            JudgedQuote(label, quote.answer, quote.scale, quote.updated_at_seconds)
            for label, quote in quotes.items()
            if label in {feed.label for feed in asset.feeds}
        ]
        price = price_of(rule, judged, UnixSeconds(now_seconds))
        cents = price.price_wad * 100 // WAD
        return f"{cents // 100:,}.{cents % 100:02d} USD from {len(judged)} feeds"

    return attempt("price.usable", asset.asset_id, run)
