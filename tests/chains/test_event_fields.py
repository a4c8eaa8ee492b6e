"""Fields of events: the kernel says what the plain reference says, and refuses what it refuses."""

import json
from dataclasses import FrozenInstanceError, fields
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import MessageFormatError
from chains.event_fields import (
    IS_COMPILED,
    LIMIT_MIN,
    Fields,
    event_of_json,
    event_of_json_reference,
    event_of_texts,
    frozen_of,
    frozen_of_reference,
    json_of,
    json_of_reference,
    texts_of,
    texts_of_reference,
)
from chains.events import EVENT_TYPES, FIELDS, EventPosition
from chains.types import UINT64_MAX, UINT256_MAX, BlockRef, chain_id_of

POSITION: Final = EventPosition(
    chain_id_of("eip155:1"), BlockRef(5, b"\1" * 32), b"\2" * 32, 3, b"\3" * 32
)
WORDS: Final = st.binary(min_size=32, max_size=32)
EDGES: Final = (0, 1, 9, 10, LIMIT_MIN - 1, LIMIT_MIN, 2**63, UINT64_MAX, UINT64_MAX + 1)
NUMBERS: Final = st.sampled_from([*EDGES, UINT256_MAX, UINT256_MAX + 1]) | st.integers(
    0, UINT256_MAX
)
NO_NUMBERS: Final = ("", "00", "-1", "+1", " 1", "1_0", "1.0", "\u0661", "1" * 79)
NO_WORDS: Final = (
    "0x",
    "0X" + "a" * 64,
    "0x" + "A" * 64,
    "0x" + "a" * 63 + "g",
    "0x" + "a" * 62 + "\u00e4\u00e4",
)
STRANGE: Final = st.sampled_from(NO_NUMBERS + NO_WORDS)
TEXTS: Final = (
    WORDS.map(lambda word: "0x" + word.hex()) | NUMBERS.map(str) | STRANGE | st.text(max_size=80)
)


@st.composite
def events(draw: st.DrawFn) -> Any:
    """Return an event of any kind with any fields, to the ends of their ranges."""
    kind = draw(st.sampled_from(sorted(EVENT_TYPES)))
    values: dict[str, Any] = {
        name: draw(WORDS) if limit is None else min(draw(NUMBERS), limit)
        for name, limit in FIELDS[kind].limit_of.items()
    }
    make: Any = EVENT_TYPES[kind]
    return make(position=POSITION, **values)


SPACINGS: Final = ((",", ":"), (", ", ": "))


def answer(make: Any, *arguments: Any) -> Any:
    """Return what is made, or what is said against it."""
    try:
        return make(*arguments)
    except (MessageFormatError, TypeError, AttributeError, ValueError) as exc:
        return type(exc), str(exc)


def test_the_kernel_is_built() -> None:
    """Without it the comparisons below say nothing."""
    assert IS_COMPILED


@given(event=events())
def test_texts_are_those_of_the_reference(event: Any) -> None:
    """In the same order of fields, and the event is made of them again."""
    plan = FIELDS[type(event).__name__]
    texts = texts_of(event, plan)

    assert list(texts.items()) == list(texts_of_reference(event, plan).items())
    assert event_of_texts(type(event), POSITION, plan, texts) == event


@given(event=events())
def test_json_is_that_of_the_reference(event: Any) -> None:
    """To the byte, and the event is made of it again."""
    plan = FIELDS[type(event).__name__]
    text = json_of(event, plan)

    assert text == json_of_reference(event, plan)
    assert event_of_json(type(event), POSITION, plan, text) == event
    assert event_of_json_reference(type(event), POSITION, plan, text) == event


@given(event=events(), data=st.data())
def test_any_text_makes_the_event_or_the_error_of_the_reference(
    event: Any, data: st.DataObject
) -> None:
    """One field of another text, one too few or one too many, in any order and spacing."""
    plan = FIELDS[type(event).__name__]
    texts = texts_of(event, plan)
    name = data.draw(st.sampled_from(plan.names))
    match data.draw(st.sampled_from(["change", "drop", "add", "keep"])):
        case "change":
            texts[name] = data.draw(TEXTS)
        case "drop":
            del texts[name]
        case "add":
            texts["other"] = data.draw(TEXTS)
    is_sorted, spacing = data.draw(st.booleans()), data.draw(st.sampled_from(SPACINGS))
    text = json.dumps(texts, sort_keys=is_sorted, separators=spacing)

    expected = answer(event_of_json_reference, type(event), POSITION, plan, text)
    assert answer(event_of_json, type(event), POSITION, plan, text) == expected


@given(event=events(), data=st.data())
def test_json_with_any_letter_changed_makes_what_the_reference_makes(
    event: Any, data: st.DataObject
) -> None:
    """Cut, longer, or another letter anywhere: nothing is read beyond its end."""
    plan = FIELDS[type(event).__name__]
    text = json_of(event, plan)
    place = data.draw(st.integers(0, len(text)))
    inserted = data.draw(st.sampled_from(['"', ",", "}", "{", "\\", "0", "\u00e4", ""]))
    broken = text[:place] + inserted + text[place + data.draw(st.integers(0, len(text))) :]

    expected = answer(event_of_json_reference, type(event), POSITION, plan, broken)
    assert answer(event_of_json, type(event), POSITION, plan, broken) == expected


@given(event=events())
def test_a_frozen_object_is_that_of_the_reference(event: Any) -> None:
    """It equals the one whose fields were given, and stays frozen."""
    names = tuple(part.name for part in fields(event))
    values = tuple(getattr(event, name) for name in names)
    made = frozen_of(type(event), names, values)

    assert made == event == frozen_of_reference(type(event), names, values)
    with pytest.raises(FrozenInstanceError):
        made.position = None


def test_a_field_that_is_left_out_is_refused() -> None:
    """A slot that is empty would fail far from here."""
    with pytest.raises(ValueError, match="EventPosition: 1 values for 2 fields"):
        frozen_of(EventPosition, ("chain_id", "block"), ("eip155:1",))


def test_a_limit_that_is_not_compared_is_refused() -> None:
    """The kernel lets every number of 18 digits pass."""
    with pytest.raises(ValueError, match="at least"):
        Fields({"small": LIMIT_MIN - 1})


@pytest.mark.parametrize("name", ["lock_id", "account"])
def test_a_field_of_another_type_is_none_of_the_kernels(name: str) -> None:
    """It answers, or fails, as the reference does."""
    plan = Fields({"lock_id": UINT64_MAX, "account": None})
    values = {"lock_id": 1, "account": b"\1" * 32, name: True}
    event = type("Odd", (), values)()

    expected = answer(texts_of_reference, event, plan)
    assert answer(texts_of, event, plan) == expected
    assert answer(json_of, event, plan) == answer(json_of_reference, event, plan)


def test_a_name_that_json_would_write_otherwise_is_refused() -> None:
    """The kernel writes names as they are."""
    with pytest.raises(ValueError, match="letters"):
        Fields({'a"b': None})
