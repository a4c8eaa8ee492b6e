"""Commands about margin accounts."""

from typing import TYPE_CHECKING, Annotated

import typer

from relayer.cli.answer import (
    Answer,
    ConfigOption,
    JsonOption,
    LimitOption,
    answer,
    opened_store,
    scales_of,
    word_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from relayer.store.accounts import AccountOwner, MarginAccount
    from relayer.store.ledger import LineCounters
    from relayer.store.outbox import StoredMessage
    from relayer.store.requests import Request
    from relayer.store.unit_of_work import UnitOfWork

app = typer.Typer(help="Margin accounts.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_accounts(
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    after: Annotated[str | None, typer.Option("--after", help="Begin behind this account.")] = None,
    limit: LimitOption = 100,
) -> None:
    """List the accounts, in order of their ids."""

    def make() -> Answer:
        from chains.types import text_of_word
        from relayer.cli.render import table_of, when_text

        start = bytes(32) if after is None else word_of(after, "--after")
        with opened_store(config) as (_, store), store.read() as uow:
            now = store.clock.now()
            found = uow.accounts.accounts(after=start, limit=limit)
        return Answer(
            value={"accounts": [_account_value(account) for account in found]},
            shown=(
                table_of(
                    "Accounts",
                    ("account", "opener", "opened"),
                    [
                        (
                            "0x" + account.account.hex(),
                            text_of_word(account.opener),
                            when_text(account.opened_at, now),
                        )
                        for account in found
                    ],
                ),
            ),
        )

    answer(make, as_json=as_json)


@app.command()
def show(
    account_id: Annotated[str, typer.Argument(metavar="ID", help="64 hex digits.")],
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an account: owners, collateral, debts, requests and messages."""

    def make() -> Answer:
        from relayer.errors import RefusedError

        word = word_of(account_id, "ID")
        with opened_store(config) as (settings, store), store.read() as uow:
            opened = uow.accounts.account(word)
            if opened is None:
                raise RefusedError(
                    code="unknown_account",
                    detail=f"no account 0x{word.hex()}; see: relayer account list",
                )
            return _show_answer(uow, opened, scales_of(settings), store.clock.now())

    answer(make, as_json=as_json)


def _show_answer(
    uow: "UnitOfWork", opened: "MarginAccount", scales: "Mapping[str, int]", now_seconds: int
) -> Answer:
    from chains.types import address_text, text_of_word
    from relayer.cli.render import fields_of, table_of, when_text

    word = opened.account
    owners = uow.accounts.owners(word)
    margin = [balance_value(line) for line in uow.ledger.margin_lines(word)]
    debts = [
        balance_value(line)
        for prefix in ("debt:", "assumed:")
        for line in uow.ledger.counters_of_prefix(prefix)
        if word.hex() in line.line.code
    ]
    messages = uow.outbox.of_account(word, limit=100)
    requests = uow.requests.of_account(word, limit=20)
    named = {
        "account": "0x" + word.hex(),
        "opener": text_of_word(opened.opener),
        "opened": when_text(opened.opened_at, now_seconds),
    }
    owner_rows = [
        (
            owner.chain_id,
            address_text(owner.chain_id, owner.owner),
            when_text(owner.linked_at, now_seconds),
        )
        for owner in owners
    ]
    return Answer(
        value=_account_value(opened)
        | {
            "owners": [_owner_value(owner) for owner in owners],
            "collateral": margin,
            "debts": debts,
            "requests": [_request_value(request) for request in requests],
            "messages": [_message_value(stored) for stored in messages],
        },
        shown=(
            fields_of("Account", named),
            table_of("Owners", ("chain", "owner", "linked"), owner_rows),
            _balances_table("Collateral", margin, scales),
            _balances_table("Debts", debts, scales),
            _requests_table(requests, now_seconds),
            _messages_table(messages),
        ),
    )


def _request_value(request: "Request") -> dict[str, object]:
    return {
        "command_id": "0x" + request.command_id.hex(),
        "kind": request.kind,
        "state": request.state.value,
        "code": request.code,
        "detail": request.detail,
        "message_id": None if request.message_id is None else "0x" + request.message_id.hex(),
        "created_at": request.created_at,
    }


def _message_value(stored: "StoredMessage") -> dict[str, object]:
    return {
        "message_id": "0x" + stored.message_id.hex(),
        "kind": stored.message.message.kind.name.lower(),
        "target_chain": stored.message.target_chain,
        "amount_units": str(stored.message.message.amount_units),
        "state": stored.state.value,
        "reason": stored.reason.value,
    }


def _requests_table(requests: "tuple[Request, ...]", now_seconds: int) -> "RenderableType":
    from relayer.cli.render import table_of, when_text

    rows = [
        (
            "0x" + request.command_id.hex(),
            request.kind,
            request.state.value,
            f"{request.code} {request.detail}".strip() or None,
            when_text(request.created_at, now_seconds),
        )
        for request in requests
    ]
    return table_of("Requests", ("request", "kind", "state", "why", "asked"), rows)


def _messages_table(messages: "tuple[StoredMessage, ...]") -> "RenderableType":
    from relayer.cli.render import table_of

    columns = ("message_id", "kind", "target_chain", "state", "reason")
    values = [_message_value(stored) for stored in messages]
    return table_of(
        "Messages",
        ("message", "kind", "target", "state", "reason"),
        [[value[column] for column in columns] for value in values],
    )


def balance_value(line: "LineCounters") -> dict[str, object]:
    """Return a ledger line as available, soft and held. [base units, decimal text]"""
    from relayer.ledger.chart import parse_code

    side = parse_code(line.line.code).side
    counters = line.counters
    return {
        "code": line.line.code,
        "asset_id": line.line.asset_id,
        "chain_id": line.line.chain_id,
        "available_units": str(counters.available(side)),
        "soft_units": str(counters.soft(side)),
        "held_units": str(counters.held(side)),
    }


def _balances_table(
    title: str, balances: list[dict[str, object]], scales: "Mapping[str, int]"
) -> "RenderableType":
    from relayer.cli.render import amount_text, short_code, table_of

    def amount(balance: dict[str, object], field: str) -> str:
        asset_id = str(balance["asset_id"])
        return amount_text(int(str(balance[field])), scales.get(asset_id), asset_id)

    return table_of(
        title,
        ("line", "chain", "available", "seen, not final", "held"),
        [
            (
                short_code(str(balance["code"])),
                balance["chain_id"],
                amount(balance, "available_units"),
                amount(balance, "soft_units"),
                amount(balance, "held_units"),
            )
            for balance in balances
        ],
    )


def _account_value(opened: "MarginAccount") -> dict[str, object]:
    from chains.types import text_of_word

    return {
        "account": "0x" + opened.account.hex(),
        "opener": text_of_word(opened.opener),
        "salt": "0x" + opened.salt.hex(),
        "command_id": "0x" + opened.command_id.hex(),
        "opened_at": opened.opened_at,
    }


def _owner_value(owner: "AccountOwner") -> dict[str, object]:
    from chains.types import address_text

    return {
        "chain_id": owner.chain_id,
        "owner": address_text(owner.chain_id, owner.owner),
        "command_id": "0x" + owner.command_id.hex(),
        "linked_at": owner.linked_at,
    }
