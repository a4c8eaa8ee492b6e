"""Commands about dead letters: work that waits for a person, whatever it is."""

from typing import TYPE_CHECKING, Annotated

import typer

from relayer.cli.answer import (
    Answer,
    ConfigOption,
    JsonOption,
    LimitOption,
    answer,
    confirm,
    log_to_stderr,
    opened_store,
)
from relayer.cli.option_groups import takes
from relayer.cli.order import OrderOptions, login_name

if TYPE_CHECKING:
    from relayer.steps.dead_letters import DeadLetter
    from relayer.store.dead_letters import Handling

LETTERS_MAX = 1_000
ALL = "all"
app = typer.Typer(
    help="Dead letters: what waits for a person.", no_args_is_help=True, rich_markup_mode=None
)
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As dlq list shows it.")]


@app.command("list")
def list_letters(
    *, config: ConfigOption = None, as_json: JsonOption = False, limit: LimitOption = 100
) -> None:
    """List quarantined jobs, parked events and failed messages, with reason and age."""

    def make() -> Answer:
        from relayer.cli.render import table_of, when_text
        from relayer.steps.dead_letters import dead_letters

        with opened_store(config) as (_, store), store.read() as uow:
            now = store.clock.now()
            found = dead_letters(uow, limit)
        rows = [
            (letter.letter_id, letter.what, when_text(letter.since, now), letter.attempts,
             letter.reason)
            for letter in found
        ]  # fmt: skip
        columns = ("id", "what", "since", "attempts", "reason")
        title = "Dead letters: relayer dlq show ID says what to do"
        return Answer(
            value={"letters": [letter_value(letter) for letter in found]},
            shown=(table_of(title, columns, rows),),
        )

    answer(make, as_json=as_json)


@app.command()
def show(
    letter_id: IdArgument, *, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show all that is known of one dead letter, and what to do."""

    def make() -> Answer:
        from relayer.cli.render import fields_of, table_of, time_text
        from relayer.steps.dead_letters import dead_letter

        with opened_store(config) as (_, store), store.read() as uow:
            letter = dead_letter(uow, letter_id)
            history = uow.dead_letters.history(letter.letter_id)
        value = letter_value(letter)
        rows = [(time_text(h.at), h.action, h.taken_by, h.reason, h.before) for h in history]
        columns = ("at", "action", "by", "why", "it was")
        return Answer(
            value=value | {"history": [_handling_value(handling) for handling in history]},
            shown=(
                fields_of(letter.letter_id, value | {"since": time_text(letter.since)}),
                table_of("What was done with it before", columns, rows),
            ),
        )

    answer(make, as_json=as_json)


@app.command()
@takes("order", OrderOptions)
def replay(
    letter_id: Annotated[str, typer.Argument(metavar="ID|all", help="As dlq list shows it.")],
    *,
    order: OrderOptions,
) -> None:
    """Put a job or an event back, or all of them, their cause healed; one transaction each."""

    def make() -> Answer:
        from relayer.steps.dead_letters import dead_letter, dead_letters, put_back

        with opened_store(order.config) as (settings, store):
            log_to_stderr(settings)
            with store.read() as uow:
                if letter_id == ALL:
                    found = [one for one in dead_letters(uow, LETTERS_MAX) if one.can_replay]
                else:
                    found = [dead_letter(uow, letter_id)]
            confirm(order.yes, f"puts {len(found)} dead letters back")
            for letter in found:
                with store.unit_of_work() as uow:
                    put_back(uow, letter, reason=order.reason, taken_by=_person())
        return _done("replayed", found)

    answer(make, as_json=order.as_json)


@app.command()
@takes("order", OrderOptions)
def close(letter_id: IdArgument, *, order: OrderOptions) -> None:
    """Take a failed message off the list; it stays stored, with who closed it and why."""

    def make() -> Answer:
        from relayer.steps.dead_letters import close as close_letter
        from relayer.steps.dead_letters import dead_letter

        with opened_store(order.config) as (_, store):
            with store.read() as uow:
                letter = dead_letter(uow, letter_id)
            confirm(order.yes, f"takes {letter.letter_id} off the list")
            with store.unit_of_work() as uow:
                close_letter(uow, letter, reason=order.reason, taken_by=_person())
        return _done("closed", [letter])

    answer(make, as_json=order.as_json)


def letter_value(letter: "DeadLetter") -> dict[str, object]:
    """Return a dead letter as JSON."""
    return {
        "id": letter.letter_id,
        "kind": letter.kind.value,
        "what": letter.what,
        "reason": letter.reason,
        "since": letter.since,
        "attempts": letter.attempts,
        "can_replay": letter.can_replay,
        "remedy": letter.remedy,
    }


def _handling_value(handling: "Handling") -> dict[str, object]:
    return {
        "at": handling.at,
        "action": handling.action,
        "by": handling.taken_by,
        "reason": handling.reason,
        "before": handling.before,
    }


def _done(word: str, letters: "list[DeadLetter]") -> Answer:
    from relayer.cli.render import plain

    ids = [letter.letter_id for letter in letters]
    text = f"{word}: {', '.join(ids) or 'nothing; there is none'}"
    return Answer(value={word: ids}, shown=(plain(text),))


def _person() -> str:
    import socket

    return f"{login_name()}@{socket.gethostname()}"
