"""The public doors that the parties of the demo use: the message API and the operator's CLI."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import httpx

from chains.command import (
    Command,
    LinkOwner,
    OpenAccount,
    RequestCredit,
    RequestUnlock,
    command_fields,
)
from chains.devnet.actors import DevKey
from chains.types import ChainId
from relayer.errors import RelayerError

WAIT_SECONDS_MAX: Final = 60.0
POLL_SECONDS: Final = 0.2
CALL_SECONDS_MAX: Final = 60.0
TYPES: Final[dict[type[Command], str]] = {
    OpenAccount: "relayer.account.open",
    LinkOwner: "relayer.owner.link",
    RequestUnlock: "relayer.unlock.request",
    RequestCredit: "relayer.credit.request",
}


class DoorError(RelayerError):
    """A door answered something else than the story needs."""


class MessageDoor:
    """One party's view of the message API."""

    def __init__(self, url: str, *, hub: ChainId, check: Callable[[], None]) -> None:
        self._client = httpx.Client(base_url=url, timeout=10.0)
        self._hub = hub
        self._check = check

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()

    def send(self, command: Command, signers: Iterable[DevKey]) -> dict[str, Any]:
        """Sign a command as wallets do and post it in its envelope."""
        digest = command.digest(self._hub)
        envelope = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "demo:wallet",
            "type": TYPES[type(command)],
            "data": {
                **command_fields(command),
                "signatures": ["0x" + signer.sign(digest).hex() for signer in signers],
            },
        }
        return self._answer(
            self._client.post(
                "/v1/messages", json=envelope, headers={"Idempotency-Key": str(uuid.uuid4())}
            )
        )

    def get(self, path: str) -> dict[str, Any]:
        """Return what a query answers."""
        return self._answer(self._client.get(path))

    def wait_for(
        self, path: str, is_there: Callable[[dict[str, Any]], bool], what: str
    ) -> dict[str, Any]:
        """
        Ask again and again until an answer is as it should be, and return it.

        Raises:
            DoorError: it is not in time.
        """
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while True:
            answer = self.get(path)
            if is_there(answer):
                return answer
            self._check()
            if time.monotonic() > deadline:
                raise DoorError(f"{what}: not within {WAIT_SECONDS_MAX:.0f} s; last: {answer}")
            time.sleep(POLL_SECONDS)

    def decision(self, command: Command, signers: Iterable[DevKey]) -> dict[str, Any]:
        """Send a request and return what was decided about it."""
        accepted = self.send(command, signers)
        return self.wait_for(
            accepted["location"], lambda answer: answer["state"] != "PENDING", "a decision"
        )

    def message_in(self, message_id: str, state: str) -> dict[str, Any]:
        """Return a message once it is in a state."""
        return self.wait_for(
            f"/v1/messages/{message_id}",
            lambda answer: answer["state"] == state,
            f"message {message_id} {state}",
        )

    def _answer(self, response: httpx.Response) -> dict[str, Any]:
        answer = response.json()
        if response.is_error or not isinstance(answer, dict):
            raise DoorError(f"{response.request.method} {response.request.url.path}: {answer}")
        return answer


class OperatorDoor:
    """The operator's terminal."""

    def __init__(self, config: Path) -> None:
        self._config = config

    def run(self, *arguments: str) -> dict[str, Any]:
        """
        Return what `relayer <arguments> --json` prints.

        Raises:
            DoorError: the command failed.
        """
        found = subprocess.run(
            [
                sys.executable,
                "-m",
                "relayer.cli",
                *arguments,
                "--config",
                str(self._config),
                "--json",
            ],
            capture_output=True,
            text=True,
            timeout=CALL_SECONDS_MAX,
            check=False,
        )
        if found.returncode != 0:
            raise DoorError(
                f"relayer {' '.join(arguments)}: status {found.returncode}: "
                f"{found.stdout[-2000:]}{found.stderr[-2000:]}"
            )
        answer = json.loads(found.stdout)
        if not isinstance(answer, dict):
            raise DoorError(f"relayer {' '.join(arguments)} printed no object")
        return answer
