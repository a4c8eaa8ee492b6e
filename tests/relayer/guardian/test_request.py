"""What a guardian is asked, as JSON: read back as it was, and bounded in every direction."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import MessageFormatError
from relayer.guardian.request import (
    CHAINS_MAX,
    CONTEXT_MAX,
    SIGNATURES_MAX,
    request_fields,
    request_of_fields,
)
from tests.relayer.steps.world import SIGNED_CREDIT, SIGNED_UNLOCK, request_of

FIELDS = request_fields(request_of(SIGNED_UNLOCK))
COMMAND = FIELDS["command"]


@pytest.mark.parametrize("command", [SIGNED_UNLOCK, SIGNED_CREDIT])
def test_a_request_is_read_back_as_it_was(command: Any) -> None:
    """Every field."""
    request = request_of(command)

    assert request_of_fields(request_fields(request)) == request


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"more": 1}, "request"),
        ({"message": None}, "message"),
        ({"message": "00"}, "message"),
        ({"message": "0xzz"}, "message"),
        ({"message": FIELDS["message"][:-2]}, "bytes"),
        ({"target_chain": "nowhere"}, "target_chain"),
        ({"target_chain": 5}, "target_chain"),
        ({"command": []}, "command"),
        ({"command": {**COMMAND, "kind": "Nothing"}}, "kind"),
        ({"command": {**COMMAND, "kind": 5}}, "command"),
        ({"command": {**COMMAND, "fields": []}}, "command"),
        ({"command": {**COMMAND, "fields": {"amount": 5}}}, "command.fields"),
        ({"command": {**COMMAND, "fields": {}}}, "account"),
        ({"command": {**COMMAND, "signatures": "0x"}}, "command.signatures"),
        ({"command": {**COMMAND, "signatures": [5]}}, "command.signatures"),
        ({"command": {**COMMAND, "signatures": ["0x"] * (SIGNATURES_MAX + 1)}}, "signatures"),
        ({"context": {}}, "context"),
        ({"context": [COMMAND] * (CONTEXT_MAX + 1)}, "context"),
        ({"context": [5]}, "context"),
        ({"heights": []}, "heights"),
        ({"heights": {f"eip155:{n}": "1" for n in range(CHAINS_MAX + 1)}}, "heights"),
        ({"heights": {"eip155:1": 1}}, "heights"),
        ({"heights": {"eip155:1": "-1"}}, "heights"),
        ({"heights": {"eip155:1": "9" * 21}}, "heights"),
        ({"heights": {"eip155:1": "\u0661"}}, "heights"),
        ({"heights": {"eip155:1\n": "1"}}, "heights"),
        ({"heights": {"": "1"}}, "heights"),
    ],
)
def test_every_malformed_field_is_named(change: dict[str, Any], field: str) -> None:
    """The rest is as an honest hub sends it."""
    with pytest.raises(MessageFormatError, match=field):
        request_of_fields({**FIELDS, **change})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*FIELDS, *COMMAND, *COMMAND["fields"], "x"]), inner, max_size=5
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_garbage_is_malformed_and_nothing_else(garbage: Any) -> None:
    """No other error leaves the parser."""
    with pytest.raises(MessageFormatError):
        request_of_fields(garbage)


@given(st.sampled_from(sorted(FIELDS)), JSON)
def test_one_field_of_garbage_too(name: str, garbage: Any) -> None:
    """An empty list of context or of heights is fine."""
    with suppress(MessageFormatError):
        request_of_fields({**FIELDS, name: garbage})


@pytest.mark.parametrize(
    "change", [{"heights": {"eip155:1": "007"}}, {"message": FIELDS["message"] + " "}]
)
def test_one_request_has_one_spelling(change: dict[str, Any]) -> None:
    """Neither zeros in front nor spaces are overlooked."""
    with pytest.raises(MessageFormatError, match="plain"):
        request_of_fields({**FIELDS, **change})
