"""What fuzzing feeds: garbage, and values that are right but for one thing."""

import copy
import json
from typing import Any, Final

from hypothesis import strategies as st

TEXTS: Final = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            *(
                "",
                " ",
                "0x",
                "0X",
                "0x0",
                "0xzz",
                "0x ab",
                "-1",
                "+1",
                "1.0",
                "1e3",
                "007",
                "\u0661",
            ),
            *("0x" + "00" * 20, "0x" + "ff" * 32, "0x" + "00" * 31, "0x" + "0" * 65),
            *(str(2**64), str(2**256), "9" * 79, "9" * 5_000, "null", "true", "NaN"),
            *("eip155:1", "eip155:01", "eip155:", "hub:\n", "\x00", "\u202e", "'; DROP TABLE --"),
            *("../../etc/passwd", "http://x/secret", "a" * 3_000, "{}", "[]", "0x" + "ab" * 2_000),
        ]
    ),
)
NUMBERS: Final = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**31, 2**53 + 1, 2**63, 2**64, 2**256, -(2**63) - 1]),
    st.floats(allow_nan=False, allow_infinity=False),
)
LEAVES: Final = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
JSON_VALUES: Final = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS.filter(lambda text: len(text) < 100), inner, max_size=4)
    ),
    max_leaves=10,
)
HALF_A_CHARACTER: Final = "\ud800"
RAW_JSON: Final = st.one_of(
    st.binary(max_size=64),
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    st.integers(1, 60_000).map(lambda depth: b"[" * depth),
    st.integers(1, 30_000).map(lambda depth: b"[" * depth + b"]" * depth),
    st.integers(1, 10_000).map(lambda depth: b'{"a":' * depth + b"1" + b"}" * depth),
    st.sampled_from(
        [
            *(b"", b"null", b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"9" * 60_000),
            *(b'"\\ud800"', b'{"\\udfff":1}', b'"\xff\xfe"', b"\xef\xbb\xbf{}", b'{"a":1,"a":2}'),
            *(b'{"a":1}' * 2, "{}".encode("utf-16"), b'"' + b"a" * 60_000 + b'"', b"[1,]", b"\x00"),
        ]
    ),
)


def places_of(value: object, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every part of a JSON value, the whole first."""
    found = [place]
    if isinstance(value, dict):
        for name, part in value.items():
            found += places_of(part, (*place, name))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            found += places_of(part, (*place, number))
    return found


@st.composite
def mutated(draw: st.DrawFn, value: Any, garbage: st.SearchStrategy[Any] = JSON_VALUES) -> Any:
    """Draw a JSON value in which one to three parts are replaced, removed, doubled or added."""
    found = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places_of(found)))
        if not place:
            if isinstance(found, dict):
                found[draw(TEXTS)] = draw(garbage)
            continue
        parent = found
        for part in place[:-1]:
            parent = parent[part]
        match draw(st.sampled_from(["replace", "replace", "text", "remove", "add"])):
            case "remove":
                del parent[place[-1]]
            case "add" if isinstance(parent, list):
                parent.extend([copy.deepcopy(parent[place[-1]])] * draw(st.sampled_from([1, 300])))
            case "text" if isinstance(parent[place[-1]], str):
                parent[place[-1]] = draw(mutated_text(parent[place[-1]]))
            case _:
                parent[place[-1]] = draw(garbage)
    return found


@st.composite
def mutated_text(draw: st.DrawFn, text: str) -> str:
    """Draw a text with a part cut out, doubled, turned to the other case, or put between."""
    first = draw(st.integers(0, len(text)))
    last = draw(st.integers(first, min(len(text), first + 8)))
    part = text[first:last]
    between = draw(st.sampled_from(["", part * 2, part.swapcase(), " ", "\n", "0", "\x00", "é"]))
    return text[:first] + between + text[last:]


@st.composite
def mutated_bytes(draw: st.DrawFn, raw: bytes) -> bytes:
    """Draw bytes with bits turned, cut short, made longer, or with a part replaced."""
    match draw(st.sampled_from(["bit", "bits", "cut", "extend", "replace", "word"])):
        case "cut":
            return raw[: draw(st.integers(0, len(raw)))]
        case "extend":
            return raw + draw(st.binary(min_size=1, max_size=64))
        case "replace":
            first = draw(st.integers(0, len(raw)))
            return raw[:first] + draw(st.binary(max_size=40)) + raw[first + 32 :]
        case "word":
            first = 32 * draw(st.integers(0, len(raw) // 32))
            word = draw(st.sampled_from([bytes(32), b"\xff" * 32, bytes(31) + b"\x20"]))
            return raw[:first] + word + raw[first + 32 :]
        case _:
            found = bytearray(raw)
            for _ in range(draw(st.integers(1, 4))):
                if found:
                    found[draw(st.integers(0, len(found) - 1))] ^= 1 << draw(st.integers(0, 7))
            return bytes(found)
