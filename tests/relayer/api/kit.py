"""A small deployment, its keys, and signed messages, as the API tests send them."""

from dataclasses import dataclass, replace
from typing import Any, Final

from coincurve import PrivateKey
from eth_hash.auto import keccak

from chains.command import (
    Command,
    LinkOwner,
    OpenAccount,
    RequestCredit,
    RequestUnlock,
    command_fields,
)
from chains.devnet.actors import DevWallet, dev_wallet
from chains.message import Message, MessageKind
from chains.types import ChainId, TokenRef, chain_key, text_of_word, word_of_evm_address
from relayer.assets import AssetRegistry
from relayer.clock import UnixSeconds
from relayer.ledger.chart import margin_code, vault_code
from relayer.ledger.journal import JournalEntry, Phase, Posting, entry_id_of
from relayer.money import AssetId
from relayer.outbox.message import OutboxMessage
from relayer.settings import Settings
from relayer.steps.catalog import Catalog
from relayer.store.prices import PricePoint
from relayer.store.unit_of_work import Store
from tests.databases import NOW

HUB: Final = ChainId("hub:test")
CHAIN_A: Final = ChainId("eip155:31337")
CHAIN_B: Final = ChainId("eip155:31338")
CHAIN_C: Final = ChainId("eip155:31339")
SOLANA: Final = ChainId("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")
SALT: Final = bytes(31) + b"\x01"
TYPE_OF_COMMAND: Final = {
    "OpenAccount": "relayer.account.open",
    "LinkOwner": "relayer.owner.link",
    "RequestUnlock": "relayer.unlock.request",
    "RequestCredit": "relayer.credit.request",
}


@dataclass(frozen=True, slots=True)
class Signer:
    """A secp256k1 key of a test."""

    secret: bytes

    @property
    def address(self) -> bytes:
        """The left-padded address of the key."""
        public = PrivateKey(self.secret).public_key.format(compressed=False)
        return word_of_evm_address(keccak(public[1:])[12:])

    def sign(self, digest: bytes) -> str:
        """Return a 65-byte signature of a digest as 0x-hex."""
        raw = PrivateKey(self.secret).sign_recoverable(digest, hasher=None)
        return "0x" + raw[:64].hex() + f"{raw[64] + 27:02x}"

    def sign_command(self, command: Command, hub: ChainId) -> bytes:
        """Return a 65-byte signature of a command."""
        return bytes.fromhex(self.sign(command.digest(hub))[2:])


def signer(name: str) -> Signer:
    """Return the key that a name stands for."""
    return Signer(keccak(b"test key " + name.encode()))


Wallet = Signer | DevWallet
ANN: Final = signer("ann")
BOB: Final = signer("bob")
OPERATOR: Final = signer("operator")
SOL: Final = dev_wallet(keccak(b"solana wallet sol"))
SOL_TWO: Final = dev_wallet(keccak(b"solana wallet two"))
GUARDIANS: Final = tuple(signer(f"guardian {number}") for number in range(3))


def contract(name: str) -> bytes:
    """Return the address word that a name stands for."""
    return word_of_evm_address(keccak(b"contract " + name.encode())[12:])


VAULT_A: Final = contract("vault a")
VAULT_B: Final = contract("vault b")
LINE_C: Final = contract("credit line")
WETH_A: Final = contract("weth a")
USDC_B: Final = contract("usdc b")
USDC_C: Final = contract("usdc c")
VAULT_S: Final = keccak(b"vault on solana")
USDC_S: Final = keccak(b"mint of usdc")
ACCOUNT: Final = OpenAccount(opener=ANN.address, salt=SALT).account


def deployment_settings(database_url: str = "sqlite:///unused.sqlite3", **changes: Any) -> Settings:
    """Return the settings of the deployment: vaults on A and B, a credit line on C."""
    return Settings(**(_settings_values(database_url) | changes))


def _settings_values(database_url: str) -> dict[str, Any]:
    return {
        "hub": HUB,
        "profile": "development",
        "database_url": database_url,
        "chains": _chains(),
        "assets": [
            _asset("WETH", 18, (CHAIN_A, WETH_A)),
            _asset("USDC", 6, (CHAIN_B, USDC_B), (CHAIN_C, USDC_C)),
        ],
        "risk": {"paths": [_path("WETH", CHAIN_A, 7_500), _path("USDC", CHAIN_B, 9_000)]},
        "guardians": {
            "threshold": 2,
            "members": [
                {
                    "label": f"g{number}",
                    "address": _hex(guardian.address),
                    "url": f"http://127.0.0.1:{9000 + number}",
                }
                for number, guardian in enumerate(GUARDIANS)
            ],
        },
    }


def _chains() -> list[dict[str, Any]]:
    line = {
        "protocol": "lender",
        "address": _hex(LINE_C),
        "token": _hex(USDC_C),
        "operator": _hex(OPERATOR.address),
    }
    rpc_urls = ("http://127.0.0.1:1",)
    return [
        {"chain_id": CHAIN_A, "rpc_urls": rpc_urls, "vaults": [{"address": _hex(VAULT_A)}]},
        {"chain_id": CHAIN_B, "rpc_urls": rpc_urls, "vaults": [{"address": _hex(VAULT_B)}]},
        {"chain_id": CHAIN_C, "rpc_urls": rpc_urls, "credit_lines": [line]},
    ]


def _asset(asset_id: str, scale: int, *tokens: tuple[ChainId, bytes]) -> dict[str, Any]:
    label = f"{asset_id.lower()}-usd"
    return {
        "asset_id": asset_id,
        "scale": scale,
        "tokens": [{"chain_id": chain_id, "address": _hex(word)} for chain_id, word in tokens],
        "feeds": [{"label": label, "chain_id": CHAIN_A, "address": _hex(contract(label))}],
    }


def _path(asset_id: str, chain_id: ChainId, initial_weight_bps: int) -> dict[str, Any]:
    return {
        "asset_id": asset_id,
        "chain_id": chain_id,
        "initial_weight_bps": initial_weight_bps,
        "maintenance_weight_bps": initial_weight_bps + 300,
    }


def _hex(word: bytes) -> str:
    return "0x" + word.hex()


OPEN: Final = OpenAccount(opener=ANN.address, salt=SALT)
LINK: Final = LinkOwner(account=ACCOUNT, chain_id=CHAIN_B, owner=BOB.address)
UNLOCK: Final = RequestUnlock(
    account=ACCOUNT,
    chain_id=CHAIN_A,
    vault=VAULT_A,
    token=WETH_A,
    amount=10**18,
    recipient=ANN.address,
    deadline=NOW + 600,
    nonce=bytes(31) + b"\x07",
)
CREDIT: Final = RequestCredit(
    account=ACCOUNT,
    chain_id=CHAIN_C,
    credit_line=LINE_C,
    token=USDC_C,
    limit=1_000_000_000,
    borrower=ANN.address,
    expiry=NOW + 86_400,
    deadline=NOW + 600,
    nonce=bytes(31) + b"\x08",
)


SOL_OPEN: Final = OpenAccount(opener=SOL.address, salt=SALT)
SOL_LINK: Final = LinkOwner(account=ACCOUNT, chain_id=SOLANA, owner=SOL.address)
SOL_UNLOCK: Final = replace(
    UNLOCK, chain_id=SOLANA, vault=VAULT_S, token=USDC_S, recipient=SOL_TWO.address
)


def with_solana(catalog: Catalog) -> Catalog:
    """Return a catalog that serves a Solana chain too, with a vault that holds USDC."""
    usdc = catalog.assets.asset(AssetId("USDC"))
    tokens = {**catalog.assets.tokens, TokenRef(SOLANA, USDC_S): usdc}
    return replace(
        catalog,
        chain_ids=(*catalog.chain_ids, SOLANA),
        vaults={**catalog.vaults, SOLANA: VAULT_S},
        assets=AssetRegistry(tokens),
    )


def data_of(command: Command, *signers: Wallet) -> dict[str, Any]:
    """Return the data of a message: the command's fields and its signatures."""
    signatures = ["0x" + wallet.sign_command(command, HUB).hex() for wallet in signers]
    return {**command_fields(command), "signatures": signatures}


def envelope(message_type: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return a message in its envelope."""
    return {
        "specversion": "1.0",
        "id": "message-1",
        "source": "https://lender.example",
        "type": message_type,
        "data": content,
    }


def message_of(command: Command, *signers: Wallet) -> dict[str, Any]:
    """Return a signed command in its envelope."""
    return envelope(TYPE_OF_COMMAND[type(command).__name__], data_of(command, *signers))


def check_of(account: bytes = ACCOUNT, **questions: Any) -> dict[str, Any]:
    """Return a margin check in its envelope."""
    return envelope("relayer.margin.check", {"account": "0x" + account.hex(), **questions})


def key_header(key: str) -> dict[str, str]:
    """Return the header that names a request."""
    return {"Idempotency-Key": key}


def short(word: bytes) -> str:
    """Return an address as a wallet shows it."""
    return text_of_word(word)


def other_nonce(command: RequestUnlock | RequestCredit, number: int) -> Any:
    """Return the same request under another nonce: another command."""
    return replace(command, nonce=number.to_bytes(32, "big"))


@dataclass(frozen=True, slots=True)
class Lock:
    """Collateral that a test puts into ann's account. pending is seen and not final."""

    units: int
    asset_id: str = "WETH"
    chain_id: ChainId = CHAIN_A
    vault: bytes = VAULT_A
    is_pending: bool = False


def book_lock(store: Store, lock: Lock, number: int = 1) -> bytes:
    """Book a lock as the reconciler does; returns the entry's id."""
    cause = keccak(b"lock" + number.to_bytes(4, "big"))
    asset_id = AssetId(lock.asset_id)
    entry = JournalEntry(
        entry_id=entry_id_of("test.lock", cause),
        kind="collateral.lock",
        cause=cause,
        phase=Phase.PENDING if lock.is_pending else Phase.POSTED,
        postings=(
            Posting(vault_code(lock.vault), asset_id, lock.chain_id, lock.units),
            Posting(margin_code(ACCOUNT), asset_id, lock.chain_id, -lock.units),
        ),
        resolves=None,
        reversal_of=None,
        correlation_id=cause,
        booked_at=UnixSeconds(NOW),
    )
    with store.unit_of_work() as uow:
        assert uow.ledger.post(entry).is_booked
    return entry.entry_id


def record_price(store: Store, asset_id: str, usd: int) -> None:
    """Record a fresh price of a whole token."""
    label = f"{asset_id.lower()}-usd"
    with store.unit_of_work() as uow:
        now = uow.clock.now()
        uow.prices.record(
            PricePoint(label, CHAIN_A, AssetId(asset_id), usd * 10**8, 8, now, now, 1)
        )


def release_message(units: int = 10**17, nonce: int = 1) -> OutboxMessage:
    """Return a release of ann's ether, as the decision composes it."""
    message = Message(
        kind=MessageKind.RELEASE,
        origin=chain_key(HUB),
        target=chain_key(CHAIN_A),
        vault=VAULT_A,
        nonce=nonce,
        account=ACCOUNT,
        token=WETH_A,
        amount_units=units,
        recipient=ANN.address,
        expiry_seconds=NOW + 3_600,
        epoch=1,
        evidence=bytes(32),
    )
    return OutboxMessage(
        message=message,
        target_chain=CHAIN_A,
        correlation_id=keccak(b"correlation"),
        hold_entry_id=keccak(b"hold"),
        command=None,
        created_at=UnixSeconds(NOW),
        deadline_at=UnixSeconds(NOW + 3_600),
    )
