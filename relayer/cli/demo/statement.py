"""The statement at the end: every entry with its cause, every message with its life, equality."""

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from relayer.cli.answer import DONE, REFUSED
from relayer.cli.demo.doors import OperatorDoor
from relayer.cli.demo.reasons import liquidations_of, weights_of
from relayer.cli.demo.requests import credit_line_of
from relayer.cli.demo.story import Story
from relayer.cli.demo.world import BACKSTOP, OWNER, SCALES, World
from relayer.cli.render import whole_text
from relayer.settings import load_settings
from relayer.wiring import catalog_of

CONFIRMED: Final = "CONFIRMED"
LINES_MAX: Final = "1000"
WAITED: Final = "WAIT"
LIQUIDATION: Final = "Liquidation"  # the hub itself asks for it
# The states of a message's life, in the words of the statement.
LIFE_STEPS: Final = {
    "PENDING": "decided",
    "ATTESTED": "attested",
    "SUBMITTED": "submitted",
    "DELIVERED": "delivered",
    "CONFIRMED": "confirmed",
}
CATCH_UP_SECONDS_MAX: Final = 40.0
CATCH_UP_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Run:
    """A story that was told. [seconds, estimates]"""

    story: Story
    setup_seconds: float
    story_seconds: float


@dataclass(frozen=True, slots=True)
class Statement:
    """What the operator's commands say after the story, and whether every equality holds."""

    value: dict[str, Any]
    is_right: bool


def statement_of(run: Run) -> Statement:
    """Return the statement, all of it read through the commands of operator and guardians."""
    story, world = run.story, run.story.world
    operator = OperatorDoor(world.config)
    listed = operator.run("message", "list", "--limit", LINES_MAX)["messages"]
    requested = _requested(operator)
    messages = [
        message_of(operator.run("message", "show", message["message_id"]), requested)
        for message in listed
    ]
    entries = operator.run("ledger", "entries", "--limit", LINES_MAX)["entries"]
    _, ledger = operator.ask("ledger", "verify")
    status, custody = operator.ask("custody")
    guardians = [_guardian(world, place, custody) for place in range(len(world.guardian_ports))]
    guardians_equal = sum(guardian["is_equal"] for guardian in guardians)
    is_right = (
        status == DONE
        and bool(ledger.get("ok"))
        and all(message["state"] == CONFIRMED for message in messages)
        and guardians_equal == len(guardians)
    )
    parameters = catalog_of(load_settings(world.config)).parameters
    value = {
        "summary": custody.get("summary", str(custody)),
        "is_right": is_right,
        "setup_seconds_estimate": round(run.setup_seconds, 2),
        "story_seconds_estimate": round(run.story_seconds, 2),
        "latencies_seconds_estimate": story.latencies_estimate,
        "results": story.results,
        "chains": _chains(world),
        "parties": {"owner": _hex(OWNER.account), "liquidator": _hex(BACKSTOP.account)},
        "weights": weights_of(parameters),
        "liquidations": liquidations_of(story.results.get("liquidations", ()), parameters),
        "entries": entries_of(entries, messages),
        "messages": messages,
        "ledger": ledger,
        "custody": custody.get("accounts", []),
        "debts": custody.get("debts", []),
        "debts_summary": custody.get("debts_summary", ""),
        "guardians": guardians,
        "guardians_summary": f"guardian ledgers: {guardians_equal} of {len(guardians)} equal",
    }
    return Statement(value, is_right)


def _hex(word: bytes) -> str:
    return "0x" + word.hex()


def _chains(world: World) -> list[dict[str, str]]:
    return [
        {
            "letter": letter,
            "chain_id": place.chain_id,
            "contract": _hex(place.vault or credit_line_of(world)),
            "role": "vault" if place.vault else "credit line",
        }
        for letter, place in world.places.items()
    ]


def _requested(operator: OperatorDoor) -> dict[str, dict[str, Any]]:
    """Return the request behind each message that has one."""
    found: dict[str, dict[str, Any]] = {}
    for party in (OWNER, BACKSTOP):
        for request in operator.run("account", "show", _hex(party.account))["requests"]:
            if request["message_id"] is not None and request["kind"] != LIQUIDATION:
                found[request["message_id"]] = request
    return found


def message_of(shown: dict[str, Any], requested: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a message as shown, with its amount, who signed, and when it came how far."""
    request = requested.get(shown["message_id"])
    moments: dict[str, int] = {}
    if request is not None:
        moments["requested"] = request["created_at"]
    for line in shown["life"]:
        step = LIFE_STEPS.get(line["after"])
        if step is not None and line["event"] != WAITED:
            moments.setdefault(step, line["at"])
    times = list(moments.items())
    return shown | {
        "amount": _amount(shown["amount_units"], shown["asset_id"]),
        "scale": SCALES.get(shown["asset_id"]),
        "request_id": None if request is None else request["command_id"],
        "signed_by": [
            member["label"] for member in shown["guardians"]["members"] if member["has_signed"]
        ],
        "moments": moments,
        "latencies_seconds": {step: at - before for (_, before), (step, at) in pairwise(times)},
    }


def _amount(units: str, asset_id: str | None) -> str:
    scale = SCALES.get(asset_id or "")
    return units if scale is None else whole_text(int(units), scale).replace(",", "")


def entries_of(
    entries: list[dict[str, Any]], messages: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the entries with whole amounts, and their causes spelled by what they are."""
    message_ids = {message["message_id"] for message in messages}
    request_ids = {message["request_id"] for message in messages}
    return [
        entry
        | {
            "cause_is": _cause(entry, message_ids, request_ids),
            "postings": [
                posting
                | {
                    "amount": _amount(posting["units"], posting["asset_id"]),
                    "scale": SCALES.get(posting["asset_id"]),
                }
                for posting in entry["postings"]
            ],
        }
        for entry in entries
    ]


def _cause(entry: dict[str, Any], message_ids: set[str], request_ids: set[str]) -> str:
    if entry["cause"] in message_ids:
        return "message"
    if entry["kind"].startswith(LIQUIDATION.lower()):
        return "liquidation"
    if entry["cause"] in request_ids:
        return "request"
    return f"event of chain {entry['postings'][0]['chain_id']}"


def _guardian(world: World, place: int, hub: dict[str, Any]) -> dict[str, Any]:
    """Return whether a guardian's own ledger is sound and equals the chains as the hub's does."""
    door = OperatorDoor(world.guardian_config(place))
    status, custody = door.ask("custody")
    deadline = time.monotonic() + CATCH_UP_SECONDS_MAX
    while status == REFUSED or (status == DONE and _units(custody) != _units(hub)):
        if time.monotonic() > deadline:
            break
        time.sleep(CATCH_UP_PAUSE_SECONDS)  # it was away: still behind, or being shown messages
        status, custody = door.ask("custody")
    _, ledger = door.ask("ledger", "verify")
    units = _units(custody)
    return {
        "label": f"guardian-{place + 1}",
        "is_equal": status == DONE and bool(ledger.get("ok")) and units == _units(hub),
        "is_sound": bool(ledger.get("ok")),
        "entries_count": ledger.get("entries_count"),
        "error": custody.get("error"),
        "custody": custody.get("accounts", []),
        "debts": custody.get("debts", []),
    }


def _units(custody: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (account["chain_id"], account["asset_id"], account["ledger_units"])
        for account in custody.get("accounts", [])
    ]
