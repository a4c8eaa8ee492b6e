"""relayer pause and resume: here at once, at guardians over HTTP, and who did not acknowledge."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chains.evm.keys import read_key_file
from chains.types import word_of_evm_address
from relayer.clock import SystemClock
from relayer.settings import load_settings
from relayer.store.unit_of_work import Store
from relayer.wiring import switch_signer
from tests.relayer.api.kit import signer
from tests.relayer.api.process import free_port
from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import CHAIN_ID, Deployment, open_at, write_config

ROOT = Path(__file__).parents[3]
START_SECONDS = 60
OPERATOR = signer("switch operator")
PAUSE = ("pause", "--chain", CHAIN_ID, "--direction", "out", "--reason", "odd outflow")
RESUME = ("resume", "--chain", CHAIN_ID, "--direction", "out", "--reason", "healed")
# A guardian on a configuration of its own; the key is any, for it only takes orders here.
PROGRAM = """
import sys
from pathlib import Path
import uvicorn
from relayer import wiring
from relayer.api.guardian import create_guardian_app
from relayer.settings import load_settings
from relayer.steps.countersign import Signatory
settings = load_settings(Path(sys.argv[1]))
signatory = Signatory(bytes(32), lambda digest: digest, 0)
app = create_guardian_app(
    wiring.open_store(settings), wiring.catalog_of(settings), signatory, label="g", token=None
)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
"""


def operators_file(folder: Path) -> Path:
    """Write the operator's key."""
    path = folder / "operator.key"
    path.write_text(OPERATOR.secret.hex())
    path.chmod(0o600)
    assert read_key_file(path) == OPERATOR.secret
    return path


def deployment_at(folder: Path, port: int) -> Deployment:
    """Return a hub whose guardians all live behind one port, and their own file beside it."""
    url = f"sqlite:///{folder / 'hub.db'}"
    config = write_config(folder, url)
    text = config.read_text()
    for line in [line for line in text.splitlines() if line.startswith("url = ")]:
        text = text.replace(line, f'url = "http://127.0.0.1:{port}"')
    lines = [line for line in text.splitlines() if not line.startswith("token_file")]
    text = "\n".join(lines)
    operator = "0x" + OPERATOR.address[12:].hex()
    assert word_of_evm_address(OPERATOR.address[12:]) == OPERATOR.address
    text = text.replace("0x9999999999999999999999999999999999999999", operator)
    text = text.replace("/run/secrets/operator.key", str(operators_file(folder)))
    config.write_text(_without_guardian(text))
    store = open_at(url, SystemClock())
    store.upgrade()
    guardian = folder / "guardian.toml"
    guardian.write_text(text.replace("hub.db", "guardian.db"))
    own = open_at(f"sqlite:///{folder / 'guardian.db'}", SystemClock())
    own.upgrade()
    own.close()
    return Deployment(config, load_settings(config), store)


def _without_guardian(text: str) -> str:
    """Leave out the section that makes a file a guardian's."""
    start = text.index("\n[guardian]")
    return text[:start] + text[text.index("\n[", start + 1) :]


@pytest.fixture
def port() -> int:
    """A port that nobody listens on yet."""
    return free_port()


@pytest.fixture
def deployment(tmp_path: Path, port: int) -> Iterator[Deployment]:
    """The hub."""
    made = deployment_at(tmp_path, port)
    yield made
    made.store.close()


@pytest.fixture
def guardian(deployment: Deployment, port: int) -> Iterator[str]:
    """A guardian process; its URL."""
    config = deployment.config.with_name("guardian.toml")
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(config), str(port)], cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                httpx.get(f"{url}/v1/status")
                break
            except httpx.TransportError:
                threading.Event().wait(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


def is_off(store: Store) -> bool:
    """Return whether anything is switched off."""
    with store.read() as uow:
        return bool(uow.switches.off())


@pytest.mark.slow
def test_r16_pause_reaches_a_guardian_process_within_five_seconds(
    ask: Ask, deployment: Deployment, guardian: str
) -> None:
    """Acknowledged by all, shown by its status, and lifted by resume."""
    begun = time.monotonic()
    paused = ask(*PAUSE, "--yes")
    seconds = time.monotonic() - begun

    assert [each["is_acknowledged"] for each in paused["guardians"]] == [True] * 3
    assert seconds <= 5
    assert is_off(deployment.store)
    assert httpx.get(f"{guardian}/v1/status").json()["switched_off"] == [f"{CHAIN_ID} out *"]
    (shown,) = ask("switches")["switches"]
    assert (shown["is_off"], len(shown["acknowledged"])) == (True, 3)

    ask(*RESUME, "--yes")

    assert httpx.get(f"{guardian}/v1/status").json()["switched_off"] == []
    assert not is_off(deployment.store)


@pytest.mark.slow
def test_r16_pause_stops_here_and_names_who_did_not_acknowledge(
    ask: Ask, deployment: Deployment
) -> None:
    """No guardian listens: exit status 1, and the workers go on telling them."""
    paused = ask(*PAUSE, "--yes", exit_code=1)

    assert [each["code"] for each in paused["guardians"]] == ["unreachable"] * 3
    assert is_off(deployment.store)


def test_a_guardians_own_operator_stops_it_alone(run: Run, deployment: Deployment) -> None:
    """With the guardian's file nobody is asked."""
    config = deployment.config.with_name("guardian.toml")

    result = run(*PAUSE, "--yes", "--config", str(config))

    assert result.exit_code == 0, result.output
    assert "only this guardian is concerned" in result.output
    assert not is_off(deployment.store)


def test_without_yes_or_a_reason_nothing_is_stopped(ask: Ask, deployment: Deployment) -> None:
    """Exit status 1."""
    assert ask(*PAUSE, exit_code=1)["error"]["code"] == "not_confirmed"
    without = ask("pause", "--reason", "  ", "--yes", exit_code=1)
    unknown = ask("pause", "--chain", "eip155:5", "--reason", "x", "--yes", exit_code=1)

    assert (without["error"]["code"], unknown["error"]["code"]) == ("reason", "unknown_chain")
    assert not is_off(deployment.store)


def test_the_operators_key_signs(deployment: Deployment) -> None:
    """As configured."""
    assert switch_signer(deployment.settings) is not None
