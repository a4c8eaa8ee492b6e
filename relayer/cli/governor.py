"""Commands about what the governor holds back by value."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from relayer.cli.answer import (
    Answer,
    ConfigOption,
    JsonOption,
    LimitOption,
    answer,
    confirm,
    opened_store,
    word_of,
)
from relayer.cli.option_groups import takes
from relayer.cli.order import OrderOptions, kept_reason, login_name

if TYPE_CHECKING:
    from relayer.clock import UnixSeconds
    from relayer.governor.windows import Window
    from relayer.store.governor import GovernorEntry, GovernorRelease

app = typer.Typer(
    help="Outflow limits: what waits, and why.", no_args_is_help=True, rich_markup_mode=None
)
MessageArgument = Annotated[str, typer.Argument(metavar="MESSAGE", help="Its id, 0x-hex.")]


@app.command()
def status(
    *, config: ConfigOption = None, as_json: JsonOption = False, limit: LimitOption = 100
) -> None:
    """Show every window with what is used, what waits and until when, and the last decisions."""

    def make() -> Answer:
        from relayer.steps.govern import window_of
        from relayer.wiring import catalog_of

        with opened_store(config) as (settings, store):
            catalog = catalog_of(settings)
            with store.read() as uow:
                now = store.clock.now()
                windows = [window_of(uow, catalog, each) for each in catalog.governor.limits]
                waiting = uow.governor.waiting(limit)
                entries = uow.governor.entries(limit=limit)
        return _status_answer(catalog.governor.mode.value, windows, waiting, entries, now)

    answer(make, as_json=as_json)


@app.command()
@takes("order", OrderOptions)
def release(message: MessageArgument, *, order: OrderOptions) -> None:
    """Let a message leave now; it fills no window."""
    answer(lambda: _overrule("release", message, order), as_json=order.as_json)


@app.command()
@takes("order", OrderOptions)
def drop(message: MessageArgument, *, order: OrderOptions) -> None:
    """Let a message never leave, and give back what it holds; no guardian has seen it."""
    answer(lambda: _overrule("drop", message, order), as_json=order.as_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendOptions(OrderOptions):
    """How much longer, and why."""

    seconds: Annotated[int, typer.Option("--seconds", help="How much longer, up to 30 days.")]


@app.command()
@takes("order", ExtendOptions)
def extend(message: MessageArgument, *, order: ExtendOptions) -> None:
    """Let a message wait longer, however much room there is."""
    answer(lambda: _overrule("extend", message, order, order.seconds), as_json=order.as_json)


def _overrule(action: str, message: str, order: OrderOptions, extend_seconds: int = 0) -> Answer:
    from relayer.cli.render import plain
    from relayer.steps.overrule import Action, Overruling, overrule

    overruling = Overruling(
        Action(action), login_name(), kept_reason(order.reason), extend_seconds=extend_seconds
    )
    message_id = word_of(message, "MESSAGE")
    with opened_store(order.config) as (_, store):
        confirm(order.yes, f"changes what the governor decided: {action} 0x{message_id.hex()}")
        after = overrule(store, message_id, overruling)
        now = store.clock.now()
    return Answer(
        value=_release_value(after),
        shown=(plain(f"0x{message_id.hex()} is {after.state.value}: {_when(after, now)}"),),
    )


def _when(release: "GovernorRelease", now_seconds: int) -> str:
    from relayer.cli.render import when_text

    words = {
        "RELEASED": "it leaves as soon as a worker takes it",
        "DROPPED": "what it held was given back",
    }
    return words.get(release.state.value, f"it leaves {when_text(release.due_at, now_seconds)}")


def _status_answer(
    mode: str,
    windows: list["Window"],
    waiting: tuple["GovernorRelease", ...],
    entries: tuple["GovernorEntry", ...],
    now: "UnixSeconds",
) -> Answer:
    from relayer.cli.render import plain, table_of, when_text

    return Answer(
        value={
            "mode": mode,
            "windows": [_window_value(window, now) for window in windows],
            "waiting": [_release_value(each) for each in waiting],
            "log": [_entry_value(each) for each in entries],
        },
        shown=(
            plain(f"mode {mode}" + ("" if windows else "; no limit is configured")),
            table_of(
                "Windows of 24 hours",
                ("what leaves", "used", "limit", "big from", "next free"),
                [_window_row(window, now) for window in windows],
            ),
            table_of(
                "Held back",
                ("message", "what", "value", "state", "leaves at the latest", "why"),
                [_release_row(each, now) for each in waiting],
            ),
            table_of(
                "Last decisions",
                ("message", "decision", "when", "who", "why"),
                [
                    (
                        "0x" + each.message_id.hex(),
                        each.action,
                        when_text(each.at, now),
                        each.who,
                        each.reason,
                    )
                    for each in entries
                ],
            ),
        ),
    )


def _window_row(window: "Window", now: "UnixSeconds") -> tuple[str, ...]:
    from relayer.cli.render import when_text
    from relayer.risk.limits import usd_text

    return (
        str(window.limit),
        usd_text(window.used_wad(now)),
        _optional_usd(window.limit.window_value_wad),
        _optional_usd(window.limit.big_value_wad),
        when_text(window.next_free_at(now), now),
    )


def _release_row(release: "GovernorRelease", now: "UnixSeconds") -> tuple[str, ...]:
    from relayer.cli.render import when_text
    from relayer.risk.limits import usd_text

    return (
        "0x" + release.message_id.hex(),
        str(release.path),
        usd_text(release.value_wad),
        release.state.value,
        when_text(release.due_at, now),
        release.reason,
    )


def _entry_value(entry: "GovernorEntry") -> dict[str, object]:
    return {
        "message_id": "0x" + entry.message_id.hex(),
        "action": entry.action,
        "who": entry.who,
        "reason": entry.reason,
        "due_at": entry.due_at,
        "at": entry.at,
    }


def _optional_usd(value_wad: int | None) -> str:
    from relayer.cli.render import NOTHING
    from relayer.risk.limits import usd_text

    return NOTHING if value_wad is None else usd_text(value_wad)


def _window_value(window: "Window", now: "UnixSeconds") -> dict[str, object]:
    limit = window.limit
    return {
        "chain_id": limit.chain_id,
        "bridge": limit.bridge,
        "asset_id": limit.asset_id,
        "used_wad": str(window.used_wad(now)),
        "limit_wad": None if limit.window_value_wad is None else str(limit.window_value_wad),
        "big_wad": None if limit.big_value_wad is None else str(limit.big_value_wad),
        "next_free_at": window.next_free_at(now),
    }


def _release_value(release: "GovernorRelease") -> dict[str, object]:
    return {
        "message_id": "0x" + release.message_id.hex(),
        "chain_id": release.path.chain_id,
        "bridge": release.path.bridge,
        "asset_id": release.path.asset_id,
        "units": str(release.units),
        "value_wad": str(release.value_wad),
        "state": release.state.value,
        "queued_at": release.queued_at,
        "due_at": release.due_at,
        "who": release.who,
        "reason": release.reason,
    }
