"""The doors of the demo: commands run in this process, and an API that may be starting again."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from chains.command import OpenAccount
from chains.devnet.actors import ALICE
from chains.devnet.anvil import free_port
from chains.types import ChainId
from relayer.cli.demo.doors import DoorError, MessageDoor, OperatorDoor
from tests.relayer.cli.samples import Deployment

HUB = ChainId("hub:devnet")


class Api(BaseHTTPRequestHandler):
    """Answers every request with the idempotency key that it came with."""

    seen: ClassVar[set[str]] = set()

    def do_POST(self) -> None:
        """Answer a message."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(f'{{"key": "{self.headers["Idempotency-Key"]}"}}')

    def do_GET(self) -> None:
        """Answer a query; /missing is a problem, /busy the first time too."""
        statuses = {"/missing": 404, "/busy": 200 if "/busy" in self.seen else 503}
        self.seen.add(self.path)
        self._answer("{}", status=statuses.get(self.path, 200))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing."""

    def _answer(self, body: str, *, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


class LateApi:
    """An API that listens only once somebody has asked in vain."""

    def __init__(self) -> None:
        self.port = free_port()
        self.asked_in_vain = 0
        self._server: HTTPServer | None = None

    def check(self) -> None:
        """Start to listen; the door calls this when nobody answers."""
        self.asked_in_vain += 1
        if self._server is None:
            self._server = HTTPServer(("127.0.0.1", self.port), Api)
            threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


@pytest.fixture
def api() -> Iterator[LateApi]:
    """An API that is not there yet."""
    found = LateApi()
    yield found
    found.close()


@pytest.fixture
def door(api: LateApi) -> Iterator[MessageDoor]:
    """A party's door to it."""
    found = MessageDoor(f"http://127.0.0.1:{api.port}", hub=HUB, check=api.check)
    yield found
    found.close()


def test_a_message_is_sent_again_while_the_api_starts(api: LateApi, door: MessageDoor) -> None:
    """Nobody answers the first time; the second attempt carries an idempotency key too."""
    answer = door.send(OpenAccount(ALICE.address, bytes(32)), [ALICE])

    assert api.asked_in_vain == 1
    assert len(answer["key"]) == 36


def test_an_api_whose_database_is_away_is_asked_again(api: LateApi, door: MessageDoor) -> None:
    """503 says: ask again later with the same key."""
    assert door.get("/busy") == {}
    assert api.asked_in_vain == 2  # nobody listened, then nobody could answer


def test_a_problem_is_no_answer(door: MessageDoor) -> None:
    """What the API refuses ends the story at once."""
    with pytest.raises(DoorError, match="GET /missing"):
        door.get("/missing")


def test_the_operator_gets_what_a_command_prints(deployment: Deployment) -> None:
    """The command runs in this process, and its object comes back."""
    answer = OperatorDoor(deployment.config).run("ledger", "verify")

    assert answer["ok"] is True


def test_a_refused_command_ends_the_story_but_can_be_asked(deployment: Deployment) -> None:
    """Running insists on status 0; asking returns the status and the error."""
    door = OperatorDoor(deployment.config)

    status, answer = door.ask("message", "show", "00" * 32)

    assert status == 1
    assert answer["error"]["code"] == "unknown_message"
    with pytest.raises(DoorError, match="unknown_message"):
        door.run("message", "show", "00" * 32)
