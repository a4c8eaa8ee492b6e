"""The command that takes a chain back below its final block, on a person's word."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from relayer.cli.answer import Answer, answer, log_to_stderr, opened_reader, opened_store, scales_of
from relayer.cli.option_groups import takes
from relayer.cli.order import ByOption, OrderOptions, kept_name, kept_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import RenderableType

    from chains.types import BlockRef, ChainId
    from relayer.settings import Settings
    from relayer.steps.recover import RecoveryPlan
    from relayer.store.leases import Lease
    from relayer.store.observed_rows import StoredEvent
    from relayer.store.recoveries import Recovery
    from relayer.store.unit_of_work import Store

    Command = Callable[..., None]

EVENTS_SHOWN_MAX: Final = 50
LEASE_ATTEMPTS_MAX: Final = 100

ChainArgument = Annotated[str, typer.Argument(metavar="CHAIN", help="For example eip155:1.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverOptions(OrderOptions):
    """What recover takes."""

    chain_id: ChainArgument
    to_height: Annotated[
        int | None, typer.Option("--to-height", min=0, help="Go at least down to this block.")
    ] = None
    by: ByOption = None


@takes("options", RecoverOptions)
def recover(options: RecoverOptions) -> None:
    """Take a halted chain back below its final block; without --yes only show what would go."""

    def make() -> Answer:
        with opened_store(options.config) as (settings, store):
            log_to_stderr(settings)
            kept = kept_reason(options.reason)
            chain = settings.chain(options.chain_id).id
            plan = _planned(settings, store, chain, options.to_height)
            done = _carry_out(store, plan, kept, kept_name(options.by)) if options.yes else None
            return recovery_answer(plan, done, scales_of(settings))

    answer(make, as_json=options.as_json)


def check_resume(settings: "Settings", store: "Store", chain_id: "ChainId") -> None:
    """
    Refuse to resume a chain whose stored final block is not on its node's chain.

    Raises:
        RefusedError: the remedy is named.
    """
    import asyncio

    from relayer.steps.recover import check_resumable

    async def _check() -> None:
        async with opened_reader(settings, chain_id) as reader:
            await check_resumable(store, reader)

    asyncio.run(_check())


def _planned(
    settings: "Settings", store: "Store", chain_id: "ChainId", to_height: int | None
) -> "RecoveryPlan":
    import asyncio

    from relayer.steps.recover import plan_recovery

    async def _plan() -> "RecoveryPlan":
        async with opened_reader(settings, chain_id) as reader:
            return await plan_recovery(store, reader, to_height=to_height)

    return asyncio.run(_plan())


def _carry_out(store: "Store", plan: "RecoveryPlan", reason: str, by: str) -> "Recovery":
    from relayer.steps.recover import recover as carry_out
    from relayer.steps.recover import release_watch
    from relayer.store.recoveries import Order

    lease = _watch_lease(store, plan.cursor.chain_id)
    try:
        return carry_out(store, plan, lease=lease, order=Order(reason, by))
    finally:
        release_watch(store, lease)


def _watch_lease(store: "Store", chain_id: "ChainId") -> "Lease":
    """Wait until the watcher of the halted chain has let go; the last time its error is raised."""
    import asyncio
    from functools import partial

    from relayer import wiring
    from relayer.cli.patience import ask_again
    from relayer.steps.recover import take_watch

    holder = f"recover:{wiring.process_name()}"
    take = partial(asyncio.to_thread, take_watch, store, chain_id, holder)
    return asyncio.run(ask_again(take, attempts_max=LEASE_ATTEMPTS_MAX))


def recovery_answer(
    plan: "RecoveryPlan", done: "Recovery | None", scales: "Mapping[str, int]"
) -> Answer:
    """Return what goes, or went: blocks, events, entries, and accounts that fall short."""
    from relayer.cli.render import plain

    final_entries, pending_entries = plan.entries
    chain_id = plan.cursor.chain_id
    value = {
        "chain_id": chain_id,
        "is_done": done is not None,
        "target": _block_value(plan.cursor.chain_id, plan.target),
        "finalized": _block_value(plan.cursor.chain_id, plan.cursor.finalized),
        "head": _block_value(plan.cursor.chain_id, plan.cursor.head),
        "checkpoints": plan.checkpoints_count,
        "events_total": plan.events_count,
        "events_listed": len(plan.events),
        "final_entries": final_entries,
        "pending_entries": pending_entries,
        "events": [_event_value(stored) for stored in plan.events],
        "shortfalls": [
            {
                "account": "0x" + short.account.hex(),
                "asset_id": short.asset_id,
                "units": str(short.units),
            }
            for short in plan.shortfalls
        ],
    }
    place = "before its first block" if plan.target is None else f"block {plan.target.height}"
    text = (
        f"{chain_id}: back to {place}; {plan.checkpoints_count} stored blocks and "
        f"{plan.events_count} events go, {final_entries} final and {pending_entries} pending "
        f"entries are taken back"
    )
    last = (
        f"nothing was changed; repeat it with --yes to take {chain_id} back"
        if done is None
        else f"{chain_id} stays halted; when its entries are taken back, run: "
        f"relayer chain resume {chain_id}"
    )
    return Answer(
        value, (_events_table(plan), *_shortfall_tables(plan, scales), plain(text), plain(last))
    )


def _block_value(chain_id: str, block: "BlockRef | None") -> dict[str, str] | None:
    from chains.types import raw_text

    if block is None:
        return None
    return {"height": str(block.height), "block_hash": raw_text(chain_id, block.block_hash)}


def _event_value(stored: "StoredEvent") -> dict[str, object]:
    return {
        "event_id": "0x" + stored.event_id.hex(),
        "kind": type(stored.event).__name__,
        "height": str(stored.event.position.block.height),
        "account": "0x" + stored.event.account.hex(),
        "units": str(getattr(stored.event, "units", 0)),
        "state": stored.state.value,
        "booked": stored.booked.value,
    }


def _events_table(plan: "RecoveryPlan") -> "RenderableType":
    from relayer.cli.render import short_hex, table_of

    return table_of(
        f"Events that go (newest {EVENTS_SHOWN_MAX} of {plan.events_count})",
        ("height", "event", "account", "base units", "state", "booked"),
        [
            (
                stored.event.position.block.height,
                type(stored.event).__name__,
                short_hex("0x" + stored.event.account.hex()),
                str(getattr(stored.event, "units", "")),
                stored.state.value,
                stored.booked.value,
            )
            for stored in plan.events[:EVENTS_SHOWN_MAX]
        ],
    )


def _shortfall_tables(
    plan: "RecoveryPlan", scales: "Mapping[str, int]"
) -> "tuple[RenderableType, ...]":
    from relayer.cli.render import amount_text, table_of

    if not plan.shortfalls:
        return ()
    rows = [
        ("0x" + s.account.hex(), amount_text(s.units, scales.get(s.asset_id), s.asset_id))
        for s in plan.shortfalls
    ]
    return (
        table_of("Accounts that used what goes (booked as bad debt)", ("account", "short"), rows),
    )
