"""The custody command: ledger against chains, now, to the unit."""

from typing import TYPE_CHECKING

from relayer.cli.answer import (
    BROKEN,
    DONE,
    Answer,
    ConfigOption,
    JsonOption,
    answer,
    opened_store,
)

if TYPE_CHECKING:
    from relayer.settings import Settings
    from relayer.steps.compare import Custody
    from relayer.store.unit_of_work import Store

ATTEMPTS_MAX = 50
PAUSE_SECONDS = 0.2


def custody(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Compare every custody account with its vault at one final block; status 2 on a difference."""

    def make() -> Answer:
        import asyncio

        with opened_store(config) as (settings, store):
            return _answer(asyncio.run(_compared(settings, store)))

    answer(make, as_json=as_json)


async def _compared(settings: "Settings", store: "Store") -> "list[Custody]":
    import asyncio

    from relayer import wiring
    from relayer.errors import NotYetError
    from relayer.steps.compare import compare
    from relayer.steps.fence import open_fence

    catalog = wiring.catalog_of(settings)
    found: list[Custody] = []
    for chain_id in catalog.vaults:
        reader = wiring.chain_reader(settings, chain_id)
        try:
            for attempt in range(ATTEMPTS_MAX):
                try:
                    found += await compare(store, catalog, reader, fence=open_fence)
                    break
                except NotYetError:
                    if attempt == ATTEMPTS_MAX - 1:
                        raise
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            await reader.close()
    return found


def _answer(found: "list[Custody]") -> Answer:
    from rich.table import Table

    equal = sum(custody.is_equal for custody in found)
    table = Table("chain", "asset", "block", "ledger", "vault", "surplus", "locks", "equal")
    for custody in found:
        table.add_row(
            custody.chain_id,
            custody.asset_id,
            str(custody.block.height),
            str(custody.ledger_units),
            str(custody.held_units),
            str(custody.surplus_units),
            f"{custody.ledger_locks}/{custody.vault_locks}",
            "yes" if custody.is_equal else "NO",
        )
    text = f"ledger equals chain: {equal} of {len(found)} custody accounts, to the unit"
    value = {
        "accounts": [_value(custody) for custody in found],
        "equal": equal,
        "total": len(found),
        "summary": text,
    }
    return Answer(value, (table, text), DONE if equal == len(found) and found else BROKEN)


def _value(custody: "Custody") -> dict[str, object]:
    return {
        "chain_id": custody.chain_id,
        "asset_id": custody.asset_id,
        "vault": "0x" + custody.vault.hex(),
        "height": str(custody.block.height),
        "block_hash": "0x" + custody.block.block_hash.hex(),
        "ledger_units": str(custody.ledger_units),
        "held_units": str(custody.held_units),
        "balance_units": str(custody.balance_units),
        "ledger_locks": str(custody.ledger_locks),
        "vault_locks": str(custody.vault_locks),
        "is_equal": custody.is_equal,
    }
