"""What a bell looks like, and that nothing else passes for one."""

from typing import Any

import pytest
from kombu import compression
from kombu.exceptions import ContentDisallowed

from relayer.worker.bell import (
    BELL_BYTES_MAX,
    BELL_CONTENT_TYPE,
    RungFor,
    fault_of_content,
    fault_of_message,
    refuse_compressed_messages,
)

RUNG_FOR = RungFor(tasks={"relayer.decide"}, queues={"decide"})
HEADERS: dict[str, Any] = {
    "task": "relayer.decide",
    "id": "one",
    "eta": None,
    "retries": 0,
    "timelimit": [60, 45],
    "root_id": "one",
    "parent_id": None,
    "stamps": {},
}
NOTHING: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def test_a_bell_passes() -> None:
    """As Celery writes it, with and without limits of time."""
    for limit in ([60, 45], [None, None], (None, None), None):
        headers = HEADERS | {"timelimit": limit}
        assert fault_of_message(headers, BELL_CONTENT_TYPE, b"[]") is None
    assert fault_of_content("relayer.decide", [["decide"], {}, NOTHING], RUNG_FOR) is None


@pytest.mark.parametrize(
    "change",
    [
        {"task": None},
        {"task": ["relayer.decide"]},
        {"id": None},
        {"id": "x" * 65},
        {"eta": "2099-01-01T00:00:00"},
        {"expires": 5},
        {"expires": ""},
        {"eta": False},
        {"retries": 1},
        {"group": "g"},
        {"shadow": "other"},
        {"timelimit": "60"},
        {"timelimit": [1, 2, 3]},
        {"root_id": {}},
    ],
)
def test_a_message_with_wishes_is_none(change: dict[str, Any]) -> None:
    """Nothing that would wait, come back, or be called something else."""
    assert fault_of_message(HEADERS | change, BELL_CONTENT_TYPE, b"[]") is not None


@pytest.mark.parametrize(
    "content_type", ["application/x-python-serialize", "application/x-yaml", "", None, []]
)
def test_only_json_is_read(content_type: object) -> None:
    """Pickle and YAML would be programs."""
    assert fault_of_message(HEADERS, content_type, b"[]") == "it is not JSON"


@pytest.mark.parametrize("body", [b"x" * (BELL_BYTES_MAX + 1), None, [], 5])
def test_a_body_that_is_no_short_text_is_none(body: object) -> None:
    """A bell has some hundred bytes."""
    assert fault_of_message(HEADERS, BELL_CONTENT_TYPE, body) is not None


@pytest.mark.parametrize(
    ("task", "content"),
    [
        ("celery.map", [["decide"], {}, NOTHING]),
        ("relayer.decide", [["relay.eip155-1"], {}, NOTHING]),
        ("relayer.decide", [["decide", "x"], {}, NOTHING]),
        ("relayer.decide", [["decide"], {"queue": "decide"}, NOTHING]),
        ("relayer.decide", [["decide"], {}, NOTHING | {"chain": [{"task": "relayer.decide"}]}]),
        ("relayer.decide", [["decide"], {}]),
        ("relayer.decide", {"args": ["decide"]}),
        ("relayer.decide", None),
    ],
)
def test_a_content_that_asks_for_more_is_none(task: str, content: object) -> None:
    """Another task, another worker's queue, other arguments, or something to start afterwards."""
    assert fault_of_content(task, content, RUNG_FOR) is not None


def test_nothing_is_unpacked() -> None:
    """The transport would do so before anybody looks; a bomb needs a kilobyte for a megabyte."""
    packed, kind = compression.compress(b"x" * 1_000, "gzip")

    refuse_compressed_messages()

    with pytest.raises(ContentDisallowed):
        compression.decompress(packed, kind)
