"""The status command: how far everything is, and what waits for what."""

from typing import TYPE_CHECKING

from relayer.cli.answer import Answer, ConfigOption, JsonOption, answer, opened_store, scales_of
from relayer.cli.jobs import jobs_table, jobs_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from chains.types import ChainId
    from relayer.sections import ChainSettings
    from relayer.settings import Settings
    from relayer.store.breaks import StoredBreak
    from relayer.store.outbox import StoredMessage
    from relayer.store.unit_of_work import UnitOfWork

MESSAGES_COUNTED_MAX = 10_000


def status(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show chains, jobs, messages, breaks, guardians and the ledger, from the database alone."""

    def make() -> Answer:
        with opened_store(config) as (settings, store), store.read() as uow:
            return _status_answer(uow, settings, store.clock.now())

    answer(make, as_json=as_json)


def _status_answer(uow: "UnitOfWork", settings: "Settings", now_seconds: int) -> Answer:
    from relayer.cli.render import fields_of
    from relayer.clock import UnixSeconds
    from relayer.outbox.life import FINAL_STATES, MessageState

    chains = chain_values(uow, settings)
    jobs = uow.jobs.stats(UnixSeconds(now_seconds))
    living = [state for state in MessageState if state not in FINAL_STATES]
    messages = message_groups(uow.outbox.in_state(*living, limit=MESSAGES_COUNTED_MAX), now_seconds)
    breaks = uow.breaks.open_breaks()
    guardians = guardian_values(settings)
    head = uow.ledger.head()
    return Answer(
        value={
            "hub": settings.hub,
            "at": now_seconds,
            "chains": chains,
            "jobs": jobs_value(jobs),
            "messages": messages,
            "breaks": [break_value(found) for found in breaks],
            "guardians": guardians,
            "ledger": {"seq": head.seq, "entry_hash": "0x" + head.entry_hash.hex()},
        },
        shown=(
            fields_of(
                f"{settings.hub}",
                {
                    "ledger": f"seq {head.seq}, hash 0x{head.entry_hash.hex()}",
                    "guardians": f"{settings.guardians.threshold} of "
                    f"{len(settings.guardians.members)} (set {settings.guardians.index})",
                    "open breaks": len(breaks),
                },
            ),
            _chains_table(chains, now_seconds),
            jobs_table(jobs),
            _messages_table(messages),
            _guardians_table(guardians),
            *((_breaks_table(breaks, scales_of(settings), now_seconds),) if breaks else ()),
        ),
    )


def chain_values(uow: "UnitOfWork", settings: "Settings") -> list[dict[str, object]]:
    """Return how far each chain is stored; heights are None before the first block."""
    halts = {halt.chain_id: halt for halt in uow.chains.halts()}
    values: list[dict[str, object]] = []
    for chain in settings.chains:
        cursor = uow.chains.cursor(chain.id)
        newest = uow.chains.newest_checkpoints(chain.id, limit=1)
        halt = halts.get(chain.id)
        head = None if cursor.head is None else cursor.head.height
        finalized = None if cursor.finalized is None else cursor.finalized.height
        values.append(
            {
                "chain_id": chain.chain_id,
                "head_height": head,
                "finalized_height": finalized,
                "lag_blocks": None if head is None or finalized is None else head - finalized,
                "head_at": newest[0].header.timestamp_seconds if newest else None,
                "unbooked_events": len(uow.chains.unbooked_events(chain.id, limit=1_000)),
                "reread_height": cursor.reread_height,
                "holes": hole_values(uow, chain.id),
                "is_halted": halt is not None,
                "halted_reason": None if halt is None else halt.reason,
                **_quorum_values(uow, chain),
            }
        )
    return values


def hole_values(uow: "UnitOfWork", chain_id: "ChainId") -> dict[str, int]:
    """Return how many events two readings of final blocks ever differed in, by their fate."""
    return {kind.value.lower(): count for kind, count in uow.holes.counts(chain_id).items()}


def _quorum_values(uow: "UnitOfWork", chain: "ChainSettings") -> dict[str, object]:
    """Return whether enough nodes agree, and how each stands; by label, as a URL may hold a key."""
    found = uow.conditions.condition(chain.id)
    return {
        "condition": None if found is None else found.condition.value,
        "condition_since": None if found is None else found.since_at,
        "condition_detail": None if found is None else found.detail,
        "nodes": [
            {
                "label": node.label,
                "standing": node.standing.value,
                "reason": node.reason,
                "since": node.since_at,
                "dissents": node.dissents,
                "dissented_at": node.dissented_at,
            }
            for node in uow.conditions.nodes(chain.id)
            if node.label in chain.labels
        ],
    }


def message_groups(
    messages: "tuple[StoredMessage, ...]", now_seconds: int
) -> list[dict[str, object]]:
    """Return messages that have not ended, counted by state and reason, with the oldest of each."""
    groups: dict[tuple[str, str], list[StoredMessage]] = {}
    for stored in messages:
        groups.setdefault((stored.state.value, stored.reason.value), []).append(stored)
    return [
        {
            "state": state,
            "reason": reason,
            "count": len(group),
            "oldest_message_id": "0x" + group[0].message_id.hex(),
            "oldest_seconds": now_seconds - group[0].message.created_at,
        }
        for (state, reason), group in sorted(groups.items())
    ]


def guardian_values(settings: "Settings") -> list[dict[str, object]]:
    """Return the configured guardians; relayer doctor asks whether they answer."""
    return [
        {"label": member.label, "address": member.address} for member in settings.guardians.members
    ]


def break_value(found: "StoredBreak") -> dict[str, object]:
    """Return a break as JSON; units are decimal texts."""
    from chains.types import raw_text

    difference = found.difference
    return {
        "break_id": found.break_id,
        "chain_id": difference.chain_id,
        "asset_id": difference.asset_id,
        "contract": raw_text(difference.chain_id, difference.contract),
        "ledger_units": str(difference.ledger_units),
        "chain_units": str(difference.chain_units),
        "height": difference.block.height,
        "found_at": found.found_at,
    }


def _chains_table(chains: list[dict[str, object]], now_seconds: int) -> "RenderableType":
    from relayer.cli.render import table_of, when_text

    def at(value: object) -> str:
        return when_text(value if isinstance(value, int) else None, now_seconds)

    return table_of(
        "Chains",
        (
            *("chain", "head", "its time", "finalized", "lag", "unbooked"),
            "holes",
            "quorum",
            "halted",
        ),
        [
            (
                chain["chain_id"],
                chain["head_height"],
                at(chain["head_at"]),
                chain["finalized_height"],
                chain["lag_blocks"],
                chain["unbooked_events"],
                _total(chain["holes"]),
                _quorum_text(chain),
                chain["halted_reason"] if chain["is_halted"] else "no",
            )
            for chain in chains
        ],
    )


def _total(counts: object) -> int:
    return sum(counts.values()) if isinstance(counts, dict) else 0


def _quorum_text(chain: "Mapping[str, object]") -> str | None:
    """Return a chain's condition, with the nodes that do not stand well or have dissented."""
    if chain["condition"] is None:
        return None
    texts = [str(chain["condition"])]
    nodes = chain["nodes"]
    for node in nodes if isinstance(nodes, list) else []:
        if node["standing"] != "HEALTHY":
            texts.append(f"{node['label']} {node['standing']} ({node['reason']})")
        if node["dissents"]:
            texts.append(f"{node['label']} dissented {node['dissents']} times")
    return "; ".join(texts)


def _messages_table(groups: list[dict[str, object]]) -> "RenderableType":
    from relayer.cli.render import age_text, table_of

    return table_of(
        "Messages that have not ended",
        ("state", "reason", "count", "oldest", "oldest message"),
        [
            (
                group["state"],
                group["reason"],
                group["count"],
                age_text(int(str(group["oldest_seconds"]))),
                group["oldest_message_id"],
            )
            for group in groups
        ],
    )


def _guardians_table(guardians: list[dict[str, object]]) -> "RenderableType":
    from chains.types import text_of_word, word_of_text
    from relayer.cli.render import table_of

    return table_of(
        "Guardians",
        ("guardian", "address"),
        [(g["label"], text_of_word(word_of_text(str(g["address"])))) for g in guardians],
    )


def _breaks_table(
    breaks: "tuple[StoredBreak, ...]", scales: "Mapping[str, int]", now_seconds: int
) -> "RenderableType":
    from chains.types import address_text
    from relayer.cli.render import amount_text, table_of, when_text

    rows = []
    for found in breaks:
        difference = found.difference
        scale = scales.get(difference.asset_id)
        rows.append(
            (
                found.break_id,
                difference.chain_id,
                address_text(difference.chain_id, difference.contract),
                amount_text(difference.ledger_units, scale, difference.asset_id),
                amount_text(difference.chain_units, scale, difference.asset_id),
                when_text(found.found_at, now_seconds),
            )
        )
    columns = ("break", "chain", "contract", "ledger says", "chain says", "found")
    return table_of(
        "BREAKS: ledger and chain disagree; nothing is repaired by itself", columns, rows
    )
