"""The custody command: ledger against chains, now, to the unit."""

from functools import partial
from typing import TYPE_CHECKING

from relayer.cli.answer import (
    BROKEN,
    DONE,
    Answer,
    ConfigOption,
    JsonOption,
    answer,
    log_to_stderr,
    opened_reader,
    opened_store,
    scales_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from chains.port import ChainReader
    from chains.types import ChainId
    from relayer.cli.debts import DebtComparison
    from relayer.settings import Settings
    from relayer.steps.catalog import Catalog
    from relayer.steps.compare import Custody
    from relayer.store.unit_of_work import Store


def custody(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Compare custody and debts with the chains, each at one final block; status 2 if unequal."""

    def make() -> Answer:
        import asyncio

        with opened_store(config) as (settings, store):
            log_to_stderr(settings)
            found, debts = asyncio.run(_compared(settings, store))
            return custody_answer(found, debts, scales_of(settings))

    answer(make, as_json=as_json)


async def _compared(
    settings: "Settings", store: "Store"
) -> "tuple[list[Custody], list[DebtComparison]]":
    from relayer import wiring
    from relayer.cli.patience import ask_again

    catalog = wiring.catalog_of(settings)
    found: list[Custody] = []
    debts: list[DebtComparison] = []
    for chain_id in catalog.chain_ids:
        async with opened_reader(settings, chain_id) as reader:
            custody = partial(_compare_custody, is_guardian=settings.guardian is not None)
            found += await ask_again(partial(custody, store, catalog, reader))
            debts += await ask_again(partial(_compare_debts, store, catalog, reader))
    return found, debts


async def _compare_custody(
    store: "Store", catalog: "Catalog", reader: "ChainReader", *, is_guardian: bool
) -> "tuple[Custody, ...]":
    from relayer.errors import NotYetError
    from relayer.steps.compare import compare
    from relayer.steps.fence import open_fence

    # A guardian that was away sees effects before it is shown their messages: that is no break,
    # and a break recorded for it would keep the guardian from ever signing for them.
    if is_guardian and _has_parked(store, reader.chain_id):
        detail = f"{reader.chain_id}: effects of messages that this guardian was not shown yet"
        raise NotYetError(reason="effects_parked", detail=detail)
    return await compare(store, catalog, reader, fence=open_fence)


def _has_parked(store: "Store", chain_id: "ChainId") -> bool:
    with store.read() as uow:
        parked = uow.chains.parked_events()
    return any(stored.event.position.chain_id == chain_id for stored in parked)


async def _compare_debts(
    store: "Store", catalog: "Catalog", reader: "ChainReader"
) -> "tuple[DebtComparison, ...]":
    from relayer.cli.debts import compare_debts

    return await compare_debts(store, catalog, reader)


def custody_answer(
    found: "list[Custody]", debts: "list[DebtComparison]", scales: "Mapping[str, int]"
) -> Answer:
    """Return every comparison and the verdict; status 2 when one is unequal or there is none."""
    equal = sum(custody.is_equal for custody in found)
    debts_equal = sum(debt.is_equal for debt in debts)
    text = f"ledger equals chain: {equal} of {len(found)} custody accounts, to the unit"
    debt_text = f"ledger debt equals chain debt: {debts_equal} of {len(debts)} debts, to the unit"
    value = {
        "accounts": [_value(custody, scales) for custody in found],
        "equal": equal,
        "total": len(found),
        "debts": [debt.value(scales.get(debt.asset_id)) for debt in debts],
        "debts_equal": debts_equal,
        "debts_total": len(debts),
        "summary": text,
        "debts_summary": debt_text,
    }
    is_right = bool(found) and equal == len(found) and debts_equal == len(debts)
    return Answer(
        value,
        (_custody_table(found, scales), _debts_table(debts, scales), debt_text, text),
        DONE if is_right else BROKEN,
    )


def _custody_table(found: "list[Custody]", scales: "Mapping[str, int]") -> "RenderableType":
    from relayer.cli.render import amount_text, table_of

    def amount(custody: "Custody", units: int) -> str:
        return amount_text(units, scales.get(custody.asset_id), custody.asset_id)

    return table_of(
        "Custody",
        ("chain", "block", "ledger", "vault counts", "vault has more", "locks", "equal"),
        [
            (
                custody.chain_id,
                custody.block.height,
                amount(custody, custody.ledger_units),
                amount(custody, custody.held_units),
                amount(custody, custody.surplus_units),
                f"{custody.ledger_locks}/{custody.vault_locks}",
                "yes" if custody.is_equal else "NO",
            )
            for custody in found
        ],
    )


def _debts_table(debts: "list[DebtComparison]", scales: "Mapping[str, int]") -> "RenderableType":
    from relayer.cli.render import amount_text, short_hex, table_of

    return table_of(
        "Debts",
        ("chain", "protocol", "account", "ledger", "chain says", "equal"),
        [
            (
                debt.chain_id,
                debt.protocol,
                short_hex("0x" + debt.account.hex()),
                amount_text(debt.ledger_units, scales.get(debt.asset_id), debt.asset_id),
                amount_text(debt.chain_units, scales.get(debt.asset_id), debt.asset_id),
                "yes" if debt.is_equal else "NO",
            )
            for debt in debts
        ],
    )


def _value(custody: "Custody", scales: "Mapping[str, int]") -> dict[str, object]:
    from chains.types import raw_text

    return {
        "chain_id": custody.chain_id,
        "asset_id": custody.asset_id,
        "scale": scales.get(custody.asset_id),
        "vault": raw_text(custody.chain_id, custody.vault),
        "height": str(custody.block.height),
        "block_hash": raw_text(custody.chain_id, custody.block.block_hash),
        "ledger_units": str(custody.ledger_units),
        "held_units": str(custody.held_units),
        "balance_units": str(custody.balance_units),
        "surplus_units": str(custody.surplus_units),
        "ledger_locks": str(custody.ledger_locks),
        "vault_locks": str(custody.vault_locks),
        "is_equal": custody.is_equal,
    }
