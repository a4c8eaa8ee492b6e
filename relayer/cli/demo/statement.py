"""The statement at the end: every entry with its cause, every message with its life, equality."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from relayer.cli.demo.doors import OperatorDoor
from relayer.cli.demo.story import Story

HEX_SHOWN = 10
CONFIRMED = "CONFIRMED"


@dataclass(frozen=True, slots=True)
class Statement:
    """What the operator's commands say after the story, and whether every equality holds."""

    value: dict[str, Any]
    is_right: bool


def statement_of(
    operator: OperatorDoor, story: Story, *, seconds_estimate: float, folder: Path
) -> Statement:
    """Return the statement, all of it read through the operator's commands."""
    entries = operator.run("ledger", "entries", "--limit", "1000")["entries"]
    listed = operator.run("message", "list", "--limit", "1000")["messages"]
    messages = [operator.run("message", "show", message["message_id"]) for message in listed]
    verified = operator.run("ledger", "verify")
    custody = operator.run("custody")
    is_right = (
        bool(custody["total"])
        and custody["equal"] == custody["total"]
        and all(message["state"] == CONFIRMED for message in listed)
        and bool(verified.get("ok"))
    )
    return Statement(
        {
            "summary": custody["summary"],
            "is_right": is_right,
            "seconds_estimate": round(seconds_estimate, 2),
            "latencies_seconds_estimate": story.latencies_estimate,
            "results": story.results,
            "custody": custody["accounts"],
            "ledger": verified,
            "entries": entries,
            "messages": messages,
            "folder": str(folder),
        },
        is_right,
    )


def print_statement(statement: Statement, console: Console) -> None:
    """Print the statement for people."""
    value = statement.value
    console.print(_entries(value["entries"]))
    console.print(_messages(value["messages"]))
    console.print(_latencies(value["latencies_seconds_estimate"]))
    console.print(f"borrowing too much was refused: {value['results'].get('borrow_refused')}")
    console.print(f"unlocking too much was refused: {value['results'].get('unlock_refused')}")
    console.print(f"the journal: {value['ledger']}")
    color = "green" if statement.is_right else "red"
    console.print(f"[bold {color}]{value['summary']}[/bold {color}]")
    console.print(f"the story took {value['seconds_estimate']} s")


def _entries(entries: list[dict[str, Any]]) -> Table:
    table = Table(title="Journal", title_justify="left")
    for column in ("seq", "entry", "phase", "postings (debit > 0)", "cause"):
        table.add_column(column)
    for entry in entries:
        postings = "\n".join(
            f"{_short_code(posting['code'])} {int(posting['units']):+d} {posting['asset_id']}"
            for posting in entry["postings"]
        )
        table.add_row(
            str(entry["seq"]), entry["kind"], entry["phase"], postings, _short(entry["cause"])
        )
    return table


def _messages(messages: list[dict[str, Any]]) -> Table:
    table = Table(title="Messages", title_justify="left")
    for column in ("message", "kind", "to", "amount", "life"):
        table.add_column(column)
    for message in messages:
        table.add_row(
            _short(message["message_id"]),
            message["kind"],
            message["target_chain"],
            str(message.get("amount_units", message.get("amount", ""))),
            _life(message["life"]),
        )
    return table


def _life(life: list[dict[str, Any]]) -> str:
    start = life[0]["at"]
    return " > ".join(
        f"{line['after']} +{line['at'] - start}s"
        for line in life
        if line.get("event") != "WAIT"
    )


def _latencies(latencies: dict[str, float]) -> Table:
    table = Table("step", "seconds", title="Latencies at the doors", title_justify="left")
    for name, seconds in latencies.items():
        table.add_row(name, f"{seconds:.2f}")
    return table


def _short(text: str) -> str:
    return text[:HEX_SHOWN] + "…"


def _short_code(code: str) -> str:
    return ":".join(
        part[:HEX_SHOWN] + "…" if part.startswith("0x") else part for part in code.split(":")
    )
