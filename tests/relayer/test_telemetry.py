"""Logs carry every fact exactly, in one form, and no secret."""

import io
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer import telemetry
from relayer.telemetry import (
    DEPTH_MAX,
    EVENT_NAMES,
    FIRST_KEYS,
    REDACTED,
    TEXT_LENGTH_MAX,
    bind_correlation,
    configure_logging,
    event_log,
    hide_secret,
    plain_value,
    redacted_text,
)
from tests.logs import reset_logs

CORRELATION_ID = bytes(range(32))


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Yield what the process logs as JSON; the root logger is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    configure_logging(service="worker", node="n1", log_format="json", stream=written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    reset_logs()
    telemetry._hidden.clear()


def lines_of(stream: io.StringIO) -> list[dict[str, object]]:
    """Return the logged lines, each parsed."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_the_first_keys_in_order(stream: io.StringIO) -> None:
    """A line begins with ts, level, event, service, node."""
    event_log().info("events.posted", chain_id="eip155:1", count=3)

    (line,) = lines_of(stream)
    assert tuple(line)[: len(FIRST_KEYS)] == FIRST_KEYS
    assert line["event"] == "events.posted"
    assert line["level"] == "info"
    assert (line["service"], line["node"]) == ("worker", "n1")
    assert (line["chain_id"], line["count"]) == ("eip155:1", 3)
    assert str(line["ts"]).endswith("Z")


def test_a_correlation_id_is_on_every_line_inside_the_block_and_on_none_after(
    stream: io.StringIO,
) -> None:
    """Bound keys reach our lines and those of other libraries, and end with the block."""
    with bind_correlation(CORRELATION_ID, message_id=b"\x01" * 32):
        event_log().info("message.submitted")
        logging.getLogger("celery.worker").warning("received %s", "a task")
    event_log().info("message.submitted")

    ours, foreign, after = lines_of(stream)
    for line in (ours, foreign):
        assert line["correlation_id"] == "0x" + CORRELATION_ID.hex()
        assert line["message_id"] == "0x" + "01" * 32
    assert "correlation_id" not in after


def test_records_of_other_libraries_have_the_same_form(stream: io.StringIO) -> None:
    """A record of the standard library becomes the same kind of line, with its logger's name."""
    logging.getLogger("alembic.runtime.migration").warning("upgrade %s", "0001")

    (line,) = lines_of(stream)
    assert line["event"] == "upgrade 0001"
    assert line["logger"] == "alembic.runtime.migration"
    assert line["service"] == "worker"


def test_levels_below_the_set_one_are_left_out(stream: io.StringIO) -> None:
    """Debug lines do not appear at info."""
    event_log().debug("doorbell.rung")

    assert lines_of(stream) == []


@pytest.mark.parametrize("name", ["httpx", "httpx2", "sqlalchemy.engine"])
def test_a_library_does_not_tell_every_request(stream: io.StringIO, name: str) -> None:
    """Its warnings are kept; its info lines would repeat ours, one for each request."""
    logging.getLogger(name).info("HTTP Request: POST")
    logging.getLogger(name).warning("refused")

    assert [line["event"] for line in lines_of(stream)] == ["refused"]


def test_an_amount_beyond_two_to_the_fifty_third_is_text(stream: io.StringIO) -> None:
    """A number that a double would round is logged as decimal text."""
    event_log().info("events.posted", units=2**256 - 1, small_units=7)

    (line,) = lines_of(stream)
    assert line["units"] == str(2**256 - 1)
    assert line["small_units"] == 7


def test_keys_that_name_a_secret_are_hidden_at_any_depth(stream: io.StringIO) -> None:
    """Values under secret names never appear, and harmless look-alikes do."""
    event_log().info(
        "process.started",
        private_key="0x" + "ab" * 32,
        settings={"sender": [{"api_key": "abcdef"}], "rpc_url": "http://host.example:1"},
        token="0xdead",
        idempotency_key="order-1",
    )

    (line,) = lines_of(stream)
    assert line["private_key"] == REDACTED
    assert line["settings"] == {"sender": [{"api_key": REDACTED}], "rpc_url": REDACTED}
    assert (line["token"], line["idempotency_key"]) == ("0xdead", "order-1")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://node.example/v3/s3cr3t?x=1", f"https://node.example/{REDACTED}"),
        (
            "postgresql://bob:s3cr3t@db.example/hub",
            f"postgresql://{REDACTED}@db.example/{REDACTED}",
        ),
        ("amqp://bob:s3cr3t@mq.example:5672//", f"amqp://{REDACTED}@mq.example:5672/{REDACTED}"),
        ("wss://node.example?key=s3cr3t", f"wss://node.example/{REDACTED}"),
        ("ws://[::1]:8545/s3cr3t again", f"ws://[::1]:8545/{REDACTED} again"),
        ("see http://127.0.0.1:8080 now", "see http://127.0.0.1:8080 now"),
        ("amqp://bob:s3cr3t/x@mq.example", f"amqp://{REDACTED}/{REDACTED}"),
        ("(http://[::1]:8545)", "(http://[::1]:8545)"),
        ("http://node.example/a,s3cr3t", f"http://node.example/{REDACTED}"),
        ("password=s3cr3t rest", f"password={REDACTED} rest"),
        ("Private key: s3cr3t", f"Private key: {REDACTED}"),
    ],
)
def test_urls_keep_their_host_only(text: str, clean: str) -> None:
    """A login, a path and a query may be credentials; none of them is let out."""
    assert redacted_text(text) == clean
    assert "s3cr3t" not in redacted_text(text)


def test_a_registered_secret_is_hidden_wherever_it_stands(stream: io.StringIO) -> None:
    """The very text of a secret is replaced in events, values and tracebacks."""
    hide_secret("correct-horse")

    try:
        raise ValueError("cannot use correct-horse at https://node.example/v3/abc")
    except ValueError:
        event_log().exception("request.failed", detail=["it was correct-horse"])

    assert "correct-horse" not in stream.getvalue()
    assert "v3/abc" not in stream.getvalue()
    (line,) = lines_of(stream)
    assert "ValueError" in str(line["exception"])


def test_a_traceback_shows_no_local_variables(stream: io.StringIO) -> None:
    """A local that holds a key does not reach the log with the traceback."""

    def sign() -> None:
        held = "local-" + "variable-value"
        raise RuntimeError(str(len(held)))

    try:
        sign()
    except RuntimeError:
        event_log().exception("request.failed")

    assert "local-variable-value" not in stream.getvalue()


def test_a_short_text_is_not_taken_as_a_secret() -> None:
    """Hiding a few letters would garble ordinary words."""
    with pytest.raises(ValueError, match="too short"):
        hide_secret("abc")


def test_a_long_text_is_cut_and_says_so() -> None:
    """No line grows without bound."""
    text = redacted_text("x" * (TEXT_LENGTH_MAX + 5))

    assert text.endswith("... (5 more)")


def test_values_of_our_own_types_are_walked() -> None:
    """Enums, bytes, dataclasses and sets become plain JSON values."""

    class Colour(Enum):
        RED = "red"

    @dataclass(frozen=True)
    class Row:
        units: int
        name: bytes
        password: str

    row = Row(2**60, b"\xff", "hunter2")
    assert plain_value({"row": row, "colour": Colour.RED, "set": {1}}) == {
        "row": {"units": str(2**60), "name": "0xff", "password": REDACTED},
        "colour": "red",
        "set": [1],
    }


def test_a_value_that_contains_itself_ends() -> None:
    """The walk has a bound on its depth."""
    endless: list[object] = []
    endless.append(endless)

    assert json.dumps(plain_value(endless)).count("[") <= DEPTH_MAX + 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_every_plain_value_is_json_with_exact_integers(value: object) -> None:
    """Whatever is logged comes back from JSON as it was written, also through doubles."""
    plain = plain_value(value)

    assert json.loads(json.dumps(plain), parse_int=lambda text: int(float(text))) == plain


def test_event_names_are_noun_dot_verb() -> None:
    """The list holds each name once, in order, as two words."""
    assert all(name.count(".") == 1 and name == name.lower() for name in EVENT_NAMES)
    assert "message.submitted" in EVENT_NAMES


def test_every_event_that_is_logged_is_in_the_list() -> None:
    """A name that is not listed is a slip, or belongs into the list."""
    sources = (Path(__file__).parents[2] / "relayer").rglob("*.py")
    call = re.compile(r'\blog\.(?:debug|info|warning|error|exception)\(\s*"([^"]+)"')

    logged = {name for source in sources for name in call.findall(source.read_text())}

    assert logged - EVENT_NAMES == set()
    assert "events.posted" in logged


def test_a_terminal_gets_readable_lines() -> None:
    """Pretty lines are not JSON, and hide the same secrets."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    configure_logging(service="cli", node="n1", log_format="pretty", stream=written)
    try:
        event_log().warning("wakeup.lost", rpc_url="http://node.example/s3cr3t")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        reset_logs()

    assert "wakeup.lost" in written.getvalue()
    assert "s3cr3t" not in written.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(written.getvalue())
