"""Keys, tokens and URLs with keys: used by real processes, and never seen again."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from coincurve import PrivateKey

from chains.attestation import sign_digest
from chains.devnet.actors import dev_key
from chains.devnet.memory_node.__main__ import node_of, parsed
from chains.types import ChainId
from relayer import wiring, wiring_senders
from relayer.clock import SystemClock
from relayer.settings import Settings, load_settings
from relayer.steps.carrier import Carrier
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store
from relayer.worker.context import WorkContext
from tests.databases import TestDatabases
from tests.relayer.canaries import (
    KEYS,
    ROOT,
    TEXTS,
    CanaryWorld,
    build_canary_world,
    command,
    events_of,
    forms_of,
    hits,
    run_until,
    write_secret,
)
from tests.relayer.cli.samples import example_values, write_config

CHAIN: Final = ChainId("eip155:31337")
WRAPPED: Final = 10_000  # characters; more than any line of these tables
CARRYING: Final = """
import sys
from pathlib import Path
from relayer.settings import load_settings
from relayer.store.engine import engine_of
from relayer.telemetry import configure_logging, event_log
from relayer import wiring, wiring_senders
configure_logging(service="canary", node="test", log_format="json", log_level="debug")
settings = load_settings(Path(sys.argv[1]))
held = (settings, settings.model_dump(), wiring.guardian_doors(settings))
try:
    raise RuntimeError(settings, held[2])
except RuntimeError:
    event_log().exception("process.failed", settings=settings, held=held[2])
raise RuntimeError(settings, held[2])
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CanaryWorld]:
    """A deployment made of canaries over a chain in memory."""
    with node_of(parsed(["--blocks", "100", "--events", "20"])) as node:
        yield build_canary_world(tmp_path, node.rpc_url)


def test_r18_the_search_finds_each_form_of_a_key() -> None:
    """A search that finds nothing anywhere would prove nothing."""
    for name, key in KEYS.items():
        for form, written in forms_of(key).items():
            assert f"{name} as {form}" in hits(f"a line with {written.upper()} in it")
    for name, secret in TEXTS.items():
        assert name in hits(f"https://node/{secret}/")


def test_r18_the_secrets_lie_where_they_belong(world: CanaryWorld) -> None:
    """The processes do get them: in their files, and nowhere else yet."""
    written = "".join(path.read_text() for path in world.secret_files)

    assert {f"{name} as hex" for name in KEYS} <= set(hits(written))
    assert {"token", "rpc path", "rpc query", "door"} <= set(hits(written))
    assert world.file_hits() == []


@pytest.mark.slow
def test_r18_no_process_shows_a_secret(world: CanaryWorld) -> None:
    """Commands, a guardian and a hub that do their work, at debug level: output and files."""
    hub, guardian = ("--config", str(world.config)), ("--config", str(world.guardian_config))
    printed = {
        "config check": command("config", "check", *hub),
        "db upgrade": command("db", "upgrade", "--yes", *hub),
        "db upgrade of the guardian": command("db", "upgrade", "--yes", *guardian),
        "doctor": command("doctor", *hub, "--json"),
        "doctor as a table": command("doctor", *hub, variables={"COLUMNS": str(WRAPPED)}),
        "status": command("status", *hub),
        "pause": command("pause", "--reason", "drill", "--yes", *hub),
    }
    for name, options in (("guardian", guardian), ("up", hub)):
        output = world.folder / f"{name}.log"
        printed[name] = run_until(output, lambda text: "events.posted" in text, name, *options)

    assert {name: hits(text) for name, (_, text) in printed.items() if hits(text)} == {}
    assert world.file_hits() == []
    for name in ("guardian", "up"):
        status, text = printed[name]
        assert status == 0, text[-2_000:]
        assert "events.posted" in events_of(text), "it did its work"
        assert '"level":"debug"' in text


@pytest.mark.parametrize("content", ["truncated", "not hex", "bytes", "decimal"])
def test_r18_a_wrong_key_file_stops_the_start_without_its_content(
    content: str, world: CanaryWorld, databases: TestDatabases
) -> None:
    """A key with a slip in it is nearly a key; no part of it is shown."""
    digits = KEYS["sender"].hex()
    written = {
        "truncated": digits[:-2],
        "not hex": digits[:-2] + "zz",
        "bytes": repr(KEYS["sender"]),
        "decimal": forms_of(KEYS["sender"])["decimal"],
    }[content]
    write_secret(world.folder / "sender.key", written)
    options = ("--config", str(world.config))
    databases.migrated_file(world.folder / "hub.sqlite3")

    status, text = command("worker", *options)

    assert status == 2, text
    assert "sender.key" in text
    assert hits(text) == []
    assert written[:16] not in text


def test_r18_an_exception_that_carries_the_settings_shows_no_secret(world: CanaryWorld) -> None:
    """Logged with its traceback, as a value, and at last uncaught past every redaction."""
    ended = subprocess.run(
        [sys.executable, "-c", CARRYING, str(world.config)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert "hub:canary" in ended.stderr, "the settings do stand in it"
    assert "process.failed" in ended.stderr
    assert ended.stderr.rstrip().splitlines()[-1].startswith("RuntimeError")
    assert hits(ended.stdout + ended.stderr) == []


def test_r18_no_holder_of_a_secret_shows_it_as_text(world: CanaryWorld) -> None:
    """repr and str of everything between the file and the wire."""
    settings = load_settings(world.config)
    own = load_settings(world.guardian_config)
    store = Store(engine_of(settings.database_url), SystemClock())
    sender = wiring_senders.nonce_sender(settings, CHAIN)
    reader = wiring.chain_reader(settings, CHAIN)
    context = WorkContext(settings, store, wiring.catalog_of(settings), ring_due=lambda: None)
    key = PrivateKey(KEYS["guardian"])
    holders: list[object] = [
        settings,
        own,
        own.guardian,
        settings.sender,
        settings.switches,
        settings.chains,
        settings.guardians,
        store,
        store.engine,
        sender,
        reader,
        context,
        context.guardians,
        context.catalog,
        Carrier(sender, wiring_senders.bridge(settings, reader), "holder"),
        wiring.guardian_doors(settings),
        wiring.switch_doors(settings),
        wiring.switch_signer(settings),
        wiring.guardian_key(own),
        key,
        dev_key(KEYS["sender"]),
        sign_digest(key, bytes(32)),
    ]

    shown = [(type(each).__name__, hits(f"{each!r} {each} {[each]}")) for each in holders]

    asyncio.run(sender.close())
    asyncio.run(reader.close())
    store.close()
    assert [each for each in shown if each[1]] == []


def test_r18_urls_with_passwords_are_not_shown(tmp_path: Path) -> None:
    """Database, broker and websocket: neither in the settings' text nor in a failed start."""
    login = f"relayer:{TEXTS['password']}@127.0.0.1:1"
    config = write_config(
        tmp_path,
        f"postgresql://{login}/relayer",
        (
            'websocket_url = "ws://127.0.0.1:8545"',
            f'websocket_url = "ws://{TEXTS["rpc login"]}@127.0.0.1:1/{TEXTS["rpc path"]}"',
        ),
        ('broker_url = "memory://"', f'broker_url = "amqp://{login}//"'),
    )
    settings = load_settings(config)

    status, text = command("sweep", "--config", str(config))
    doctor = command("doctor", "--config", str(config), "--json")

    assert status == 2, text
    assert hits(text + doctor[1] + f"{settings!r} {settings}") == []


PLACES: Final = ("sender.key_file", "guardian.key_file", "guardian.token_file", "switches.key_file")
RAW_FORMS: Final = ("hex", "0x", "capitals", "decimal", "bytes")


@pytest.mark.parametrize("form", RAW_FORMS)
@pytest.mark.parametrize("place", PLACES)
def test_r18_a_raw_key_in_place_of_its_path_is_refused(
    place: str, form: str, tmp_path: Path
) -> None:
    """In production and anywhere else; the refusal names field and remedy, and not the key."""
    key = KEYS["sender"]
    raw = {
        "hex": key.hex(),
        "0x": "0x" + key.hex(),
        "capitals": "0X" + key.hex().upper(),
        "decimal": forms_of(key)["decimal"],
        "bytes": repr(key),
    }[form]
    values = production_values(place, raw)

    with pytest.raises(ValueError, match="the path of a file") as refusal:
        Settings(**values)

    text = str(refusal.value)
    assert place in text
    assert "write it into a file with mode 0600, name that file here, and replace" in text
    assert hits(text + repr(refusal.value)) == []


def production_values(place: str, raw: str) -> dict[str, Any]:
    """Return the production example with one path replaced."""
    values = example_values()
    assert values["profile"] == "production"
    section, name = place.split(".")
    values[section][name] = raw
    return values


def test_r18_a_raw_key_in_the_environment_is_refused_too(tmp_path: Path) -> None:
    """The command ends with the remedy and does not repeat what it was given."""
    config = write_config(tmp_path, f"sqlite:///{tmp_path / 'hub.db'}")

    status, text = command(
        "config",
        "check",
        "--config",
        str(config),
        variables={"RELAYER_SENDER__KEY_FILE": "0x" + KEYS["sender"].hex()},
    )

    assert status == 2, text
    assert "sender.key_file" in text
    assert hits(text) == []
