"""Options that belong together, as one frozen value: a command takes it as one argument."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints

Command = Callable[..., None]


def takes(name: str, group: type[Any]) -> Callable[[Command], Command]:
    """
    Let a command take a dataclass in its argument of that name; its fields become options.

    Args:
        group: a dataclass whose fields are Annotated with typer.Option; its own are shown before
            those that it inherits.
    """
    shown = _own_first(group)

    def _expand(command: Command) -> Command:
        hints = get_type_hints(group, include_extras=True)
        own = [each for each in inspect.signature(command).parameters.values() if each.name != name]
        annotations = get_type_hints(command, include_extras=True)

        @wraps(command)
        def _run(**given: Any) -> None:
            chosen = {each.name: given.pop(each.name) for each in shown}
            command(**given, **{name: group(**chosen)})

        options = [
            inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if each.default is MISSING else each.default,
                annotation=hints[each.name],
            )
            for each in shown
        ]
        given_first = [each for each in own if each.kind is not inspect.Parameter.KEYWORD_ONLY]
        keyword_only = [each for each in own if each.kind is inspect.Parameter.KEYWORD_ONLY]
        signature = inspect.Signature([*given_first, *options, *keyword_only])
        _run.__signature__ = signature  # type: ignore[attr-defined]
        _run.__annotations__ = {
            **{each.name: annotations[each.name] for each in own},
            **hints,
            "return": None,
        }
        return _run

    return _expand


def _own_first(group: type[Any]) -> list[Field[Any]]:
    inherited = {
        each.name for base in group.__mro__[1:] if is_dataclass(base) for each in fields(base)
    }
    return sorted(fields(group), key=lambda each: each.name in inherited)
