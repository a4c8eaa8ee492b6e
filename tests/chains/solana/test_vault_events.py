"""Events of the vault program, read from any bytes."""

from hypothesis import given
from hypothesis import strategies as st

from chains.errors import MessageFormatError
from chains.solana.vault_events import EVENT_FIELDS, EVENT_TAG, VaultEventKind, decode_event


@given(content=st.binary(max_size=300) | st.binary(max_size=300).map(EVENT_TAG.__add__))
def test_any_bytes_are_an_event_or_none_or_an_error(content: bytes) -> None:
    """What is read says what kind it is, and nothing else is raised."""
    try:
        event = decode_event(content)
    except MessageFormatError:
        assert content.startswith(EVENT_TAG)
    else:
        assert (event is None) == (not content.startswith(EVENT_TAG))


@given(content=st.data(), kind=st.sampled_from(VaultEventKind))
def test_every_kind_is_read_field_by_field(content: st.DataObject, kind: VaultEventKind) -> None:
    """Words and numbers are those that were written, in their order."""
    vault = bytes(range(32))
    values = {name: content.draw(st.binary(min_size=width, max_size=width))
              for name, width in EVENT_FIELDS[kind] if name != "count"}  # fmt: skip
    body = b"".join(values.get(name, b"\0") for name, _ in EVENT_FIELDS[kind])

    event = decode_event(EVENT_TAG + bytes((kind,)) + vault + body)

    assert event is not None
    assert (event.kind, event.vault) == (kind, vault)
    for name, value in values.items():
        found = event.words.get(name) or event.numbers[name].to_bytes(len(value), "big")
        assert found == value
