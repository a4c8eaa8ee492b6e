"""Commands that stop everything, a chain, a direction or an asset, and let it go on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from relayer.cli.answer import (
    REFUSED,
    Answer,
    ConfigOption,
    JsonOption,
    answer,
    confirm,
    opened_store,
)
from relayer.cli.option_groups import takes
from relayer.cli.order import OrderOptions, kept_reason, login_name

if TYPE_CHECKING:
    from relayer.settings import Settings
    from relayer.steps.switch import Told
    from relayer.store.switches import SwitchChange
    from relayer.store.unit_of_work import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchOptions(OrderOptions):
    """What is stopped or let go on; what is not named is any."""

    chain: Annotated[
        str | None, typer.Option("--chain", help="Only this chain, for example eip155:1.")
    ] = None
    direction: Annotated[
        str | None,
        typer.Option("--direction", help="in: locks carry no new credit; out: nothing leaves."),
    ] = None
    asset: Annotated[
        str | None, typer.Option("--asset", help="Only this asset, for example WETH.")
    ] = None


@takes("options", SwitchOptions)
def pause(options: SwitchOptions) -> None:
    """Stop what is named, or everything, here and at every guardian; nothing is signed after it."""
    answer(lambda: _switch(options, True), as_json=options.as_json)


@takes("options", SwitchOptions)
def resume(options: SwitchOptions) -> None:
    """Let go on what pause stopped; name exactly what was named then."""
    answer(lambda: _switch(options, False), as_json=options.as_json)


def switches(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what is switched off, by whom and why, and which guardians know it."""

    def make() -> Answer:
        from relayer.cli.render import table_of, when_text
        from relayer.wiring import catalog_of

        with opened_store(config) as (settings, store):
            labels = {member.address: member.label for member in catalog_of(settings).guardians}
            now = store.clock.now()
            with store.read() as uow:
                found = [
                    (change, uow.switches.acknowledged(change.sequence))
                    for change in uow.switches.all()
                ]
        shown = [
            {**_change_value(change), "acknowledged": _names(labels, known)}
            for change, known in found
        ]
        return Answer(
            value={"switches": shown},
            shown=(
                table_of(
                    "Switches",
                    ("what", "state", "since", "who", "why", "acknowledged by"),
                    [
                        (
                            str(change.switch.subject),
                            "off" if change.switch.is_off else "on",
                            when_text(change.issued_at, now),
                            change.who,
                            change.switch.reason,
                            ", ".join(_names(labels, known)) or "-",
                        )
                        for change, known in found
                    ],
                ),
            ),
        )

    answer(make, as_json=as_json)


def _names(labels: dict[bytes, str], known: frozenset[bytes]) -> list[str]:
    return sorted(labels.get(guardian, "0x" + guardian.hex()) for guardian in known)


def _switch(options: SwitchOptions, is_off: bool) -> Answer:
    from relayer.governor.switches import Switch
    from relayer.steps.switch import order_switch, subject_of_names
    from relayer.wiring import catalog_of, switch_signer

    kept = kept_reason(options.reason)
    with opened_store(options.config) as (settings, store):
        catalog = catalog_of(settings)
        subject = subject_of_names(
            catalog, chain_id=options.chain, direction=options.direction, asset_id=options.asset
        )
        confirm(options.yes, f"{'stops' if is_off else 'lets go on'}: {subject}")
        is_guardian = settings.guardian is not None
        sign = None if is_guardian else switch_signer(settings)
        switch = Switch(subject, is_off, kept)
        change = order_switch(store, catalog, switch, who=login_name(), sign=sign)
        if is_guardian:
            return _local_answer(change)
        if sign is None:
            return _untold_answer(change)
        return _told_answer(change, _push(settings, store, change))


def _push(settings: "Settings", store: "Store", change: "SwitchChange") -> tuple["Told", ...]:
    import asyncio

    from relayer.steps.switch import push_for_seconds
    from relayer.wiring import switch_doors

    told = asyncio.run(push_for_seconds(store, switch_doors(settings)))
    return tuple(each for each in told if each.sequence == change.sequence)


def _change_value(change: "SwitchChange") -> dict[str, object]:
    subject = change.switch.subject
    return {
        "subject": subject.key,
        "source": change.source.value,
        "is_off": change.switch.is_off,
        "reason": change.switch.reason,
        "who": change.who,
        "sequence": change.sequence,
        "issued_at": change.issued_at,
    }


def _sentence(change: "SwitchChange") -> str:
    state = "stopped" if change.switch.is_off else "let go on"
    return f"{change.switch.subject}: {state} here; {change.switch.reason}"


def _local_answer(change: "SwitchChange") -> Answer:
    from relayer.cli.render import plain

    return Answer(
        value={**_change_value(change), "guardians": []},
        shown=(plain(_sentence(change)), plain("only this guardian is concerned")),
    )


def _untold_answer(change: "SwitchChange") -> Answer:
    from relayer.cli.render import plain

    remedy = (
        "no guardian was told: set switches.key_file here and switches.operator at the guardians, "
        "or run the same command with each guardian's file"
    )
    return Answer(
        value={**_change_value(change), "guardians": [], "remedy": remedy},
        shown=(plain(_sentence(change)), plain(remedy)),
        exit_code=REFUSED,
    )


def _told_answer(change: "SwitchChange", told: tuple["Told", ...]) -> Answer:
    from relayer.cli.render import plain, table_of

    is_known_to_all = bool(told) and all(each.is_acknowledged for each in told)
    last = "every guardian acknowledged it"
    if not is_known_to_all:
        last = "not acknowledged by all: workers go on telling them; relayer switches shows it"
    return Answer(
        value={
            **_change_value(change),
            "guardians": [
                {
                    "label": each.label,
                    "is_acknowledged": each.is_acknowledged,
                    "code": each.code,
                    "detail": each.detail,
                }
                for each in told
            ],
        },
        shown=(
            plain(_sentence(change)),
            table_of(
                "Guardians",
                ("guardian", "acknowledged", "reason"),
                [
                    (each.label, "yes" if each.is_acknowledged else "no", each.detail)
                    for each in told
                ],
            ),
            plain(last),
        ),
        exit_code=0 if is_known_to_all else REFUSED,
    )
