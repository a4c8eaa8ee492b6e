"""What a bell looks like; every other message on a queue of the deployment is dropped unread."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kombu import compression
from kombu.exceptions import ContentDisallowed

BELL_BYTES_MAX: Final = 4_096
BELL_CONTENT_TYPE: Final = "application/json"
ID_LENGTH_MAX: Final = 64
# What would delay a task or start another one after it; a bell has none of it.
# Celery fails on what is neither there nor None, so an empty text is a wish too.
NO_WISHES: Final[dict[str, tuple[object, ...]]] = {
    "eta": (None,),
    "expires": (None,),
    "group": (None,),
    "shadow": (None,),
    "retries": (None, 0),
    "stamps": (None, {}),
    "stamped_headers": (None, []),
}
NAMES: Final = ("root_id", "parent_id")


@dataclass(frozen=True, slots=True)
class RungFor:
    """The tasks and the queues that bells of one worker may name."""

    tasks: Collection[str]
    queues: Collection[str]


def fault_of_message(headers: object, content_type: object, body: object) -> str | None:
    """
    Return why a message cannot be a bell, from what lies around its content; None if it can.

    Args:
        headers: as they came; anybody who reaches the broker may have written them.
        body: still in bytes or text, and already unpacked by the transport.
    """
    if not isinstance(headers, Mapping) or not isinstance(headers.get("task"), str):
        return "it names no task"
    if content_type != BELL_CONTENT_TYPE:
        return "it is not JSON"
    if not isinstance(body, bytes | str | memoryview) or len(body) > BELL_BYTES_MAX:
        return f"its content is above {BELL_BYTES_MAX} bytes"
    message_id = headers.get("id")
    if not isinstance(message_id, str) or len(message_id) > ID_LENGTH_MAX:
        return "it has no id"
    wishes = [name for name, none in NO_WISHES.items() if headers.get(name) not in none]
    if wishes:
        return f"it asks for {', '.join(wishes)}"
    if not all(isinstance(headers.get(name), str | None) for name in NAMES):
        return "it names no message before it"
    return None if _is_limit(headers.get("timelimit")) else "its time limits are none"


def _is_limit(value: object) -> bool:
    """Return whether Celery can take a time limit; a worker of threads does not hold it anyway."""
    match value:
        case None | [int() | None, int() | None]:
            return True
        case _:
            return False


def fault_of_content(task: object, content: object, rung_for: RungFor) -> str | None:
    """Return why a message's content is not that of a bell for this worker; None if it is."""
    match content:
        case [[str(queue)], dict(keywords), dict(embedded)]:
            if task not in rung_for.tasks:
                return "there is no such task"
            if queue not in rung_for.queues:
                return "its queue is none of this worker's"
            if keywords or any(embedded.values()):
                return "it asks for more than to look into a queue"
            return None
        case _:
            return "its content is not the name of a queue"


def refuse_compressed_messages() -> None:
    """
    Let no message of this process be unpacked: the transport does so before anybody may refuse.

    A bell is some hundred bytes; a thousandfold of the memory that it took to send must not be
    had for a header.
    """
    for content_type in tuple(compression.encoders()):
        encoder, _ = compression.get_encoder(content_type)
        compression.register(encoder, _refuse, content_type)


def _refuse(_body: Any) -> bytes:
    raise ContentDisallowed("no bell is compressed")
