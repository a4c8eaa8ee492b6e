"""Commands about messages to other chains."""

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
    from relayer.cli.explain import MessageFacts
    from relayer.outbox.life import MessageState
    from relayer.settings import Settings
    from relayer.store.outbox import StoredMessage
    from relayer.store.unit_of_work import UnitOfWork

app = typer.Typer(help="Messages to other chains.", no_args_is_help=True, rich_markup_mode=None)
MessageArgument = Annotated[str, typer.Argument(metavar="MESSAGE_ID", help="64 hex digits.")]


@app.command("list")
def list_messages(
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    state: Annotated[
        str | None, typer.Option("--state", help="Only these, separated by commas.")
    ] = None,
    account: Annotated[str | None, typer.Option("--account", help="Only of this account.")] = None,
    limit: LimitOption = 100,
) -> None:
    """List messages, oldest first."""

    def make() -> Answer:
        from relayer.cli.explain import list_answer
        from relayer.store.outbox import MessageFilter

        wanted = MessageFilter(
            states=states_of(state),
            account=None if account is None else word_of(account, "--account"),
            limit=limit,
        )
        with opened_store(config) as (settings, store), store.read() as uow:
            facts = tuple(facts_of(uow, settings, stored) for stored in uow.outbox.list(wanted))
            return list_answer(facts, store.clock.now())

    answer(make, as_json=as_json)


@app.command()
def show(
    message_id: MessageArgument, *, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show a message: its fields, its state and its life."""

    def make() -> Answer:
        from relayer.cli.explain import show_answer

        with opened_store(config) as (settings, store), store.read() as uow:
            return show_answer(_facts(uow, settings, message_id), store.clock.now())

    answer(make, as_json=as_json)


def why(
    message_id: MessageArgument, *, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Say why a message is where it is, what it waits for, and what to do."""

    def make() -> Answer:
        from relayer.cli.explain import why_answer

        with opened_store(config) as (settings, store), store.read() as uow:
            return why_answer(_facts(uow, settings, message_id), store.clock.now())

    answer(make, as_json=as_json)


def states_of(text: str | None) -> "tuple[MessageState, ...]":
    """
    Return the states named by --state; none means all.

    Raises:
        SettingsError: a name is no state; names those that are.
    """
    from relayer.errors import SettingsError
    from relayer.outbox.life import MessageState

    if text is None:
        return ()
    names = [name.strip().upper() for name in text.split(",")]
    known = [state.value for state in MessageState]
    unknown = [name for name in names if name not in known]
    if unknown:
        mistake = f"--state: {', '.join(unknown)} unknown; use {', '.join(known)}"
        raise SettingsError((mistake,))
    return tuple(MessageState(name) for name in names)


def _facts(uow: "UnitOfWork", settings: "Settings", text: str) -> "MessageFacts":
    from relayer.errors import RefusedError

    message_id = word_of(text, "MESSAGE_ID")
    stored = uow.outbox.get(message_id)
    if stored is None:
        raise RefusedError(
            code="unknown_message",
            detail=f"no message 0x{message_id.hex()}; see: relayer message list",
        )
    return facts_of(uow, settings, stored)


def facts_of(uow: "UnitOfWork", settings: "Settings", stored: "StoredMessage") -> "MessageFacts":
    """Return all that the store knows about a message."""
    from chains.types import word_of_text
    from relayer.cli.explain import GuardianFacts, MessageFacts

    message_id = stored.message_id
    guardians = settings.guardians
    signers = uow.outbox.signatures(message_id, guardians.index)
    canonical = stored.message.message
    tokens = {
        (token.chain_id, word_of_text(token.address)): asset.asset_id
        for asset in settings.assets
        for token in asset.tokens
    }
    asset_id = tokens.get((stored.message.target_chain, canonical.token))
    return MessageFacts(
        stored=stored,
        asset_id=asset_id,
        scale=None if asset_id is None else scales_of(settings)[asset_id],
        guardians=GuardianFacts(
            set_index=guardians.index,
            threshold=guardians.threshold,
            signed={
                member.label: word_of_text(member.address) in signers
                for member in guardians.members
            },
        ),
        transactions=uow.outbox.transactions(message_id),
        life=uow.outbox.life(message_id),
    )
