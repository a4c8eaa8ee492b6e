"""The statement for people: readable at 100 columns, whole at any width."""

from collections.abc import Mapping
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from relayer.cli.demo.statement import LIFE_STEPS, Statement
from relayer.cli.demo.world import SCALES
from relayer.cli.render import whole_text

SHORT_DIGITS: Final = 8
SIGNED: Final = {True: "+", False: "-"}
NUMBERS: Final = frozenset(
    {"seq", "amount", "seconds", "locks", "ledger", "on the chain", "repaid", "seized"}
)
WEIGHT_DIGITS: Final = 4
FOLDED: Final = frozenset({"account"})

Names = Mapping[str, str]


def print_statement(statement: Statement, console: Console) -> None:
    """Print the statement; the last line says whether ledger and chains are equal."""
    value = statement.value
    names = names_of(value)
    letters = {chain["chain_id"]: chain["letter"] for chain in value["chains"]}
    console.print()
    console.print(_legend(value), highlight=False)
    console.print(_entries(value["entries"], names, letters))
    console.print(_messages(value["messages"], names, letters))
    console.print(_lives(value["messages"]))
    if value["liquidations"]:
        console.print(_liquidations(value["liquidations"], letters))
        console.print(_order(value["weights"], letters), highlight=False)
    console.print(_latencies(value["latencies_seconds_estimate"]))
    for words, key in (("borrowing", "borrow_refused"), ("unlocking", "unlock_refused")):
        if key in value["results"]:
            console.print(
                f"{words} too much was refused: {value['results'][key]}",
                highlight=False,
                markup=False,
            )
    console.print(_custody(value["custody"], letters))
    console.print(_debts(value["debts"], names, letters))
    for line in _closing(value):
        console.print(line, highlight=False, markup=False)
    color = "green" if statement.is_right else "red"
    console.print(value["summary"], style=f"bold {color}", highlight=False, markup=False)


def names_of(value: Mapping[str, Any]) -> dict[str, str]:
    """Return what the long ids of the story are called."""
    names = {account: name for name, account in value["parties"].items()}
    for chain in value["chains"]:
        names.setdefault(chain["contract"], chain["role"])
    return names


def code_text(code: str, names: Names) -> str:
    """Return an account code with names instead of ids: margin:owner."""
    parts = [names.get(part, short(part)) for part in code.split(":")]
    if parts[0] in ("vault", "in_flight"):
        return parts[0]  # the chain beside it says which
    return ":".join(parts)


def short(text: str) -> str:
    """Return the first digits of an id."""
    return text[2 : 2 + SHORT_DIGITS] if text.startswith("0x") else text


def _legend(value: Mapping[str, Any]) -> str:
    chains = ", ".join(
        f"{chain['letter']} = {chain['chain_id']} ({chain['role']})" for chain in value["chains"]
    )
    parties = ", ".join(f"{name} = {short(account)}" for name, account in value["parties"].items())
    return f"{chains}\n{parties}; ids are shown by their first {SHORT_DIGITS} digits"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    table.padding, table.pad_edge = (0, 1, 0, 0), False
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in NUMBERS else "left",
            overflow="fold",
            no_wrap=column not in FOLDED,
        )
    return table


def _entries(entries: list[dict[str, Any]], names: Names, letters: Names) -> Table:
    table = _table("Journal (debit +, credit -)", "seq", "entry", "account", "amount", "cause")
    for entry in entries:
        cause = entry["cause_is"]
        for chain_id, letter in letters.items():
            cause = cause.replace(f"chain {chain_id}", letter)
        # A posting a line; entries have two or more, so there is room for two lines beside them.
        left = [(str(entry["seq"]), entry["kind"]), ("", f"[dim]{entry['phase'].lower()}[/dim]")]
        right = [
            f"{cause} {short(entry['cause'])}",
            f"[dim]thread {short(entry['correlation_id'])}[/dim]",
        ]
        for place, posting in enumerate(entry["postings"]):
            seq, kind = left[place] if place < len(left) else ("", "")
            account = f"{code_text(posting['code'], names)} {letters[posting['chain_id']]}"
            why = right[place] if place < len(right) else ""
            table.add_row(seq, kind, account, _signed(posting), why)
    return table


def _signed(posting: Mapping[str, Any]) -> str:
    units = int(posting["units"])
    return f"{SIGNED[units >= 0]}{_amount(abs(units), posting)}"


def _amount(units: int, of: Mapping[str, Any]) -> str:
    scale = of["scale"]
    return f"{units if scale is None else whole_text(units, scale)} {of['asset_id']}"


def _messages(messages: list[dict[str, Any]], names: Names, letters: Names) -> Table:
    table = _table(
        "Messages", "message", "kind", "to", "for", "amount", "signed", "state", "thread"
    )
    for message in messages:
        signers = " ".join(label.removeprefix("guardian-") for label in message["signed_by"])
        table.add_row(
            short(message["message_id"]),
            message["kind"],
            letters[message["target_chain"]],
            names.get(message["account"], short(message["account"])),
            _amount(int(message["amount_units"]), message),
            signers,
            message["state"].lower(),
            short(message["correlation_id"]),
        )
    return table


def _lives(messages: list[dict[str, Any]]) -> Table:
    table = _table(
        "Lives of the messages (seconds after the step before)",
        *("message", "requested", *LIFE_STEPS.values(), "together"),
    )
    for message in messages:
        moments, seconds = message["moments"], message["latencies_seconds"]
        cells = []
        for step in ("requested", *LIFE_STEPS.values()):
            if step in seconds:
                cells.append(f"+{seconds[step]}")
            elif step == "requested" and step not in moments:
                cells.append("by the hub")
            else:
                cells.append("0" if step in moments else "-")
        together = max(moments.values()) - min(moments.values())
        table.add_row(short(message["message_id"]), *cells, str(together))
    return table


def _liquidations(liquidations: list[dict[str, Any]], letters: Names) -> Table:
    table = _table(
        "Liquidations",
        *("collateral", "weight", "repaid", "seized", "health", "sized by"),
    )
    for taken in liquidations:
        debt_asset = taken["debt"].split(" ")[0]
        table.add_row(
            f"{taken['asset_id']} on {letters[taken['chain_id']]}",
            _weight(taken),
            f"{whole_text(int(taken['repaid']), SCALES[debt_asset])} {debt_asset}",
            f"{whole_text(int(taken['seized']), SCALES[taken['asset_id']])} {taken['asset_id']}",
            f"{taken['factor_before']} -> {taken['factor_after']}",
            taken["sized_by"],
        )
    return table


def _order(weights: list[dict[str, Any]], letters: Names) -> str:
    """Return why the liquidations took the collateral in this order."""
    order = ", ".join(
        f"{path['asset_id']} on {letters[path['chain_id']]} {_weight(path)}" for path in weights
    )
    return f"the smallest weight heals most per USD repaid, so the order is {order}"


def _weight(path: Mapping[str, Any]) -> str:
    return f"0.{path['weight_bps']:0{WEIGHT_DIGITS}d}"


def _latencies(latencies: Mapping[str, float]) -> Table:
    table = _table("Latencies at the doors", "step", "seconds")
    for name, seconds in latencies.items():
        table.add_row(name, f"{seconds:.2f}")
    return table


def _custody(accounts: list[dict[str, Any]], letters: Names) -> Table:
    table = _table("Custody", "chain", "block", "ledger", "on the chain", "locks", "equal")
    for account in accounts:
        table.add_row(
            letters[account["chain_id"]],
            account["height"],
            _amount(int(account["ledger_units"]), account),
            _amount(int(account["held_units"]), account),
            f"{account['ledger_locks']}/{account['vault_locks']}",
            "yes" if account["is_equal"] else "[bold red]NO[/bold red]",
        )
    return table


def _debts(debts: list[dict[str, Any]], names: Names, letters: Names) -> Table:
    table = _table("Debts", "chain", "protocol", "borrower", "ledger", "on the chain", "equal")
    for debt in debts:
        table.add_row(
            letters[debt["chain_id"]],
            debt["protocol"],
            names.get(debt["account"], short(debt["account"])),
            _amount(int(debt["ledger_units"]), debt),
            _amount(int(debt["chain_units"]), debt),
            "yes" if debt["is_equal"] else "[bold red]NO[/bold red]",
        )
    return table


def _closing(value: Mapping[str, Any]) -> list[str]:
    ledger = value["ledger"]
    confirmed = sum(message["state"] == "CONFIRMED" for message in value["messages"])
    setup, story = value["setup_seconds_estimate"], value["story_seconds_estimate"]
    proof = "right" if ledger.get("ok") else "WRONG"
    lines = [
        f"set-up {setup:.1f} s, story {story:.1f} s",
        f"messages confirmed: {confirmed} of {len(value['messages'])}",
        f"journal: {ledger.get('entries_count')} entries, hash chain and sums {proof}",
        value["debts_summary"],
        value["guardians_summary"],
    ]
    return [line for line in lines if line]
