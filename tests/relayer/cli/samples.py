"""A small deployment for the tests of commands: settings, a store, and rows in it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chains.command import OpenAccount
from chains.message import Message, MessageKind
from chains.types import BlockHeader, BlockRef, ChainId, chain_key, word_of_text
from relayer.clock import FixedClock, SystemClock, UnixSeconds
from relayer.ledger.chart import margin_code, vault_code
from relayer.ledger.journal import JournalEntry, Phase, Posting, entry_id_of
from relayer.money import AssetId
from relayer.outbox.message import OutboxMessage
from relayer.settings import Settings
from relayer.store.engine import engine_of
from relayer.store.leases import watch_lease_name
from relayer.store.unit_of_work import Store

EXAMPLE: Final = Path(__file__).parents[3] / "deploy" / "relayer.example.toml"
CHAIN_ID: Final = ChainId("eip155:1")
WETH: Final = AssetId("WETH")
VAULT: Final = word_of_text("0x1111111111111111111111111111111111111111")
WETH_TOKEN: Final = word_of_text("0xa111111111111111111111111111111111111111")
OPENER: Final = word_of_text("0x7777777777777777777777777777777777777777")
OPENING: Final = OpenAccount(opener=OPENER, salt=bytes(32))
ACCOUNT: Final = OPENING.account
CORRELATION_ID: Final = b"\xc0" * 32
HOUR_SECONDS: Final = 3_600


@dataclass(frozen=True)
class Deployment:
    """A configuration file and the migrated store it names."""

    config: Path
    settings: Settings
    store: Store

    @property
    def options(self) -> list[str]:
        """The options that every command takes."""
        return ["--config", str(self.config)]


def example_values() -> dict[str, Any]:
    """Return the values of the example file."""
    return tomllib.loads(EXAMPLE.read_text())


def write_config(folder: Path, database_url: str, *changes: tuple[str, str]) -> Path:
    """Write the example file with another database and a broker inside the process."""
    text = EXAMPLE.read_text()
    for before, after in (
        (
            'database_url = "postgresql://relayer@127.0.0.1:5432/relayer"',
            f'database_url = "{database_url}"',
        ),
        ('broker_url = "amqp://127.0.0.1:5672//"', 'broker_url = "memory://"'),
        *changes,
    ):
        assert before in text, before
        text = text.replace(before, after)
    path = folder / "relayer.toml"
    path.write_text(text)
    return path


def open_at(database_url: str, clock: FixedClock | SystemClock) -> Store:
    """Return the store of a URL."""
    return Store(engine_of(database_url), clock)


def lock_entry(units: int, cause: bytes, phase: Phase = Phase.POSTED) -> JournalEntry:
    """Return the entry of collateral that was locked."""
    return JournalEntry(
        entry_id=entry_id_of("lock", cause),
        kind="collateral.locked",
        cause=cause,
        phase=phase,
        postings=(
            Posting(vault_code(VAULT), WETH, CHAIN_ID, units),
            Posting(margin_code(ACCOUNT), WETH, CHAIN_ID, -units),
        ),
        resolves=None,
        reversal_of=None,
        correlation_id=CORRELATION_ID,
        booked_at=UnixSeconds(1_700_000_000),
    )


def release_message(now_seconds: int, nonce: int = 1) -> OutboxMessage:
    """Return a release of 1.5 WETH composed one minute ago."""
    return OutboxMessage(
        message=Message(
            kind=MessageKind.RELEASE,
            origin=chain_key(ChainId("hub:example")),
            target=chain_key(CHAIN_ID),
            vault=VAULT,
            nonce=nonce,
            account=ACCOUNT,
            token=WETH_TOKEN,
            amount_units=1_500_000_000_000_000_000,
            recipient=OPENER,
            expiry_seconds=now_seconds + HOUR_SECONDS,
            epoch=1,
            evidence=bytes(32),
        ),
        target_chain=CHAIN_ID,
        correlation_id=CORRELATION_ID,
        hold_entry_id=b"\x0f" * 32,
        command=None,
        created_at=UnixSeconds(now_seconds - 60),
        deadline_at=UnixSeconds(now_seconds + HOUR_SECONDS // 2),
    )


def open_account(store: Store) -> None:
    """Open the sample account and link its opener on one chain."""
    with store.unit_of_work() as uow:
        now = store.clock.now()
        uow.accounts.open(ACCOUNT, opener=OPENER, salt=bytes(32), command_id=b"\x01" * 32, at=now)
        uow.accounts.link(ACCOUNT, chain_id=CHAIN_ID, owner=OPENER, command_id=b"\x02" * 32, at=now)


def post_locks(store: Store) -> None:
    """Book one final lock of 2 WETH and one of 0.25 WETH that is not final."""
    with store.unit_of_work() as uow:
        final = uow.ledger.post(lock_entry(2 * 10**18, b"\xe1" * 32))
        soft = uow.ledger.post(lock_entry(25 * 10**16, b"\xe2" * 32, Phase.PENDING))
        assert final.is_booked
        assert soft.is_booked


def enqueue_release(store: Store, nonce: int = 1) -> bytes:
    """Put the sample release into the outbox and return its id."""
    message = release_message(store.clock.now(), nonce)
    with store.unit_of_work() as uow:
        assert uow.outbox.enqueue(message)
    return message.message_id


def store_final_head(store: Store, height: int) -> None:
    """Let the watcher of the sample chain store one final block."""
    header = BlockHeader(BlockRef(height, b"\xb1" * 32), b"\xb0" * 32, store.clock.now() - 12)
    with store.unit_of_work() as uow:
        lease = uow.leases.acquire(watch_lease_name(CHAIN_ID), "watcher", 60)
        assert lease is not None
        cursor = uow.chains.cursor(CHAIN_ID)
        uow.chains.store_finalized_range(cursor, (), header, lease)


def quarantine_job(store: Store) -> None:
    """Ring a job and let it fail until it waits for a person."""
    with store.unit_of_work() as uow:
        now = store.clock.now()
        uow.jobs.ring("relay", "0xabc", "relay.eip155-1", now, CORRELATION_ID)
    clock = store.clock
    assert isinstance(clock, FixedClock)
    for _ in range(5):
        with store.unit_of_work() as uow:
            (job,) = uow.jobs.claim("relay.eip155-1", 1, lease_seconds=10, holder="w1")
            uow.jobs.fail(job, "target_reverts")
        clock.move(HOUR_SECONDS)
