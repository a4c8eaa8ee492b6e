"""The public doors that the parties of the demo use: the message API and the operator's CLI."""

import contextlib
import io
import json
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, Protocol

import httpx

from chains.command import (
    Command,
    LinkOwner,
    OpenAccount,
    RequestCredit,
    RequestUnlock,
    command_fields,
)
from chains.types import ChainId
from relayer.cli.answer import DONE
from relayer.errors import RelayerError

WAIT_SECONDS_MAX: Final = 60.0
POLL_SECONDS: Final = 0.1
CALL_SECONDS_MAX: Final = 10.0
MESSAGES: Final = "/v1/messages"
TYPES: Final[dict[type[Command], str]] = {
    OpenAccount: "relayer.account.open",
    LinkOwner: "relayer.owner.link",
    RequestUnlock: "relayer.unlock.request",
    RequestCredit: "relayer.credit.request",
}


class DoorError(RelayerError):
    """A door answered something else than the story needs."""


class Signer(Protocol):
    """A wallet of any family."""

    def sign_command(self, command: Command, hub: ChainId) -> bytes:
        """Return the wallet's signature of a command for a hub."""
        ...


class MessageDoor:
    """One party's view of the message API."""

    def __init__(self, url: str, *, hub: ChainId, check: Callable[[], None]) -> None:
        self._client = httpx.Client(base_url=url, timeout=CALL_SECONDS_MAX)
        self._hub = hub
        self._check = check

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()

    def send(self, command: Command, signers: Iterable[Signer]) -> dict[str, Any]:
        """Sign a command as wallets do and post it in its envelope."""
        envelope = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "demo:wallet",
            "type": TYPES[type(command)],
            "data": {
                **command_fields(command),
                "signatures": [
                    "0x" + signer.sign_command(command, self._hub).hex() for signer in signers
                ],
            },
        }
        headers = {"Idempotency-Key": str(uuid.uuid4())}  # the same for every attempt
        return self._answer(
            self._patient(lambda: self._client.post(MESSAGES, json=envelope, headers=headers))
        )

    def get(self, path: str) -> dict[str, Any]:
        """Return what a query answers."""
        return self._answer(self._patient(lambda: self._client.get(path)))

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

    def decision(self, accepted: dict[str, Any]) -> dict[str, Any]:
        """Return what was decided about a request that was accepted."""
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

    def _patient(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        """Ask until somebody can answer: the API or its database may be starting again."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while True:
            try:
                response = ask()
            except httpx.TransportError as exc:
                if time.monotonic() > deadline:
                    raise DoorError(f"the message API: {type(exc).__name__}: {exc}") from exc
            else:
                is_away = response.status_code == httpx.codes.SERVICE_UNAVAILABLE
                if not is_away or time.monotonic() > deadline:
                    return response
            self._check()
            time.sleep(POLL_SECONDS)

    def _answer(self, response: httpx.Response) -> dict[str, Any]:
        answer = response.json()
        if response.is_error or not isinstance(answer, dict):
            raise DoorError(f"{response.request.method} {response.request.url.path}: {answer}")
        return answer


class OperatorDoor:
    """The operator's terminal: the commands of `relayer`, run one after another in this process."""

    def __init__(self, config: Path) -> None:
        self._config = config

    def run(self, *arguments: str) -> dict[str, Any]:
        """
        Return what `relayer <arguments> --json` prints.

        Raises:
            DoorError: the command failed.
        """
        status, answer = self.ask(*arguments)
        if status != DONE:
            raise DoorError(f"relayer {' '.join(arguments)}: status {status}: {answer}")
        return answer

    def ask(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """
        Return the exit status and what `relayer <arguments> --json` prints.

        Raises:
            DoorError: it printed no object.
        """
        from relayer.cli.main import app

        printed = io.StringIO()
        command = [*arguments, "--config", str(self._config), "--json"]
        with contextlib.redirect_stdout(printed):
            status = app(command, standalone_mode=False)
        try:
            answer = json.loads(printed.getvalue())
        except ValueError as exc:
            raise DoorError(
                f"relayer {' '.join(arguments)} printed no object: {printed.getvalue()[-500:]}"
            ) from exc
        if not isinstance(answer, dict):
            raise DoorError(f"relayer {' '.join(arguments)} printed no object")
        return int(status or DONE), answer
