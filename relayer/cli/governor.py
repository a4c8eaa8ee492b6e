"""Commands about what the governor holds back by value."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

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
    from relayer.governor.buckets import Bucket, BucketLimit
    from relayer.governor.windows import Window
    from relayer.store.governor import GovernorEntry, GovernorRelease

app = typer.Typer(
    help="Outflow limits and buckets: what waits, and why.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
MessageArgument = Annotated[str, typer.Argument(metavar="MESSAGE", help="Its id, 0x-hex.")]

BY_TIME: Final = "time"
BY_BUCKET: Final = "bucket"
BY_PERSON: Final = "person"


@dataclass(frozen=True, slots=True)
class Shown:
    """What status shows; beside each message that waits, the bucket of its lane."""

    mode: str
    windows: "tuple[Window, ...]"
    buckets: "tuple[Bucket, ...]"
    waiting: "tuple[tuple[GovernorRelease, BucketLimit | None], ...]"
    entries: "tuple[GovernorEntry, ...]"


@app.command()
def status(
    *, config: ConfigOption = None, as_json: JsonOption = False, limit: LimitOption = 100
) -> None:
    """Show every window and bucket, what waits and until when, and the last decisions."""

    def make() -> Answer:
        from relayer.steps.gauge import bucket_of, lane_of, window_of
        from relayer.wiring import catalog_of

        with opened_store(config) as (settings, store):
            catalog = catalog_of(settings)
            rules = catalog.governor
            with store.read() as uow:
                now = store.clock.now()
                shown = Shown(
                    mode=rules.mode.value,
                    windows=tuple(window_of(uow, catalog, each) for each in rules.limits),
                    buckets=tuple(bucket_of(uow, each) for each in rules.buckets),
                    waiting=tuple(
                        (each, rules.bucket_of(lane_of(catalog, each.path)))
                        for each in uow.governor.waiting(limit)
                    ),
                    entries=uow.governor.entries(limit=limit),
                )
        return _status_answer(shown, now)

    answer(make, as_json=as_json)


@app.command()
@takes("order", OrderOptions)
def release(message: MessageArgument, *, order: OrderOptions) -> None:
    """Let a message leave now; it fills no window and empties no bucket."""
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
    from relayer.wiring import catalog_of

    overruling = Overruling(
        Action(action), login_name(), kept_reason(order.reason), extend_seconds=extend_seconds
    )
    message_id = word_of(message, "MESSAGE")
    with opened_store(order.config) as (settings, store):
        confirm(order.yes, f"changes what the governor decided: {action} 0x{message_id.hex()}")
        after = overrule(store, catalog_of(settings), message_id, overruling)
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


def _status_answer(shown: Shown, now: "UnixSeconds") -> Answer:
    from relayer.cli.render import plain, table_of, when_text

    is_limited = shown.windows or shown.buckets
    return Answer(
        value={
            "mode": shown.mode,
            "windows": [_window_value(window, now) for window in shown.windows],
            "buckets": [_bucket_value(bucket, now) for bucket in shown.buckets],
            "waiting": [
                _release_value(each) | {"leaves_by": _leaves_by(each, limit)}
                for each, limit in shown.waiting
            ],
            "log": [_entry_value(each) for each in shown.entries],
        },
        shown=(
            plain(f"mode {shown.mode}" + ("" if is_limited else "; no limit is configured")),
            table_of(
                "Windows of 24 hours",
                ("what leaves", "used", "limit", "big from", "next free"),
                [_window_row(window, now) for window in shown.windows],
            ),
            table_of(
                "Token buckets",
                ("lane", "in it", "capacity", "refill per second", "full"),
                [_bucket_row(bucket, now) for bucket in shown.buckets],
            ),
            table_of(
                "Held back",
                ("message", "what", "value", "state", "leaves at the latest", "why"),
                [_release_row(each, limit, now) for each, limit in shown.waiting],
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
                    for each in shown.entries
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


def _bucket_row(bucket: "Bucket", now: "UnixSeconds") -> tuple[str, ...]:
    from relayer.cli.render import when_text
    from relayer.risk.limits import usd_text

    return (
        str(bucket.limit.lane),
        usd_text(bucket.level_wad(now)),
        usd_text(bucket.limit.capacity_wad),
        usd_text(bucket.limit.refill_wad),
        when_text(bucket.full_at(now), now),
    )


def _release_row(
    release: "GovernorRelease", limit: "BucketLimit | None", now: "UnixSeconds"
) -> tuple[str, ...]:
    from relayer.cli.render import when_text
    from relayer.risk.limits import usd_text

    words = {
        BY_TIME: when_text(release.due_at, now),
        BY_BUCKET: "when its bucket holds it",
        BY_PERSON: "when a person releases it",
    }
    return (
        "0x" + release.message_id.hex(),
        str(release.path),
        usd_text(release.value_wad),
        release.state.value,
        words[_leaves_by(release, limit)],
        release.reason,
    )


def _leaves_by(release: "GovernorRelease", limit: "BucketLimit | None") -> str:
    """Return what lets it leave in the end: time alone only where its lane has no bucket."""
    if limit is None:
        return BY_TIME
    return BY_PERSON if limit.is_too_small_for(release.value_wad) else BY_BUCKET


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


def _bucket_value(bucket: "Bucket", now: "UnixSeconds") -> dict[str, object]:
    limit = bucket.limit
    return {
        "origin": limit.lane.origin,
        "target": limit.lane.target,
        "level_wad": str(bucket.level_wad(now)),
        "missing_wad": str(bucket.missing_wad(now)),
        "capacity_wad": str(limit.capacity_wad),
        "refill_wad_per_second": str(limit.refill_wad),
        "full_at": bucket.full_at(now),
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
        "expires_at": release.expires_at,
        "who": release.who,
        "reason": release.reason,
    }
