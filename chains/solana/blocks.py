"""Full blocks: the transactions that name a vault, with their inner instructions and balances."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from solders.message import Message, MessageV0, MessageV1
from solders.transaction import VersionedTransaction

from chains.base58 import base58_of, bytes_of_base58
from chains.line.shapes import AnswerShapeError, fields_of, items_of, shown
from chains.solana.answers import (
    SIGNATURE_BYTES,
    base64_of,
    decimal_of,
    is_failure,
    number_of,
    word_of,
)

TRANSACTION_BYTES_MAX: Final = 16 * 1024
TRANSACTIONS_MAX: Final = 65_536  # of a block
CALLS_MAX: Final = 65_536  # of a transaction; its place goes into 16 bits of the log index
KEYS_MAX: Final = 256
EVENT_LETTERS_MAX: Final = 700  # the longest event has 467 bytes
CALL_HEIGHT_MIN: Final = 2  # what a transaction itself calls is at 1
LEGACY: Final = "legacy"
# What is read, by the name of its version. Of any other nobody can say what it did.
MESSAGES: Final[dict[object, type[Message | MessageV0 | MessageV1]]] = {
    LEGACY: Message,
    0: MessageV0,
    1: MessageV1,
}


@dataclass(frozen=True, slots=True)
class Call:
    """
    One instruction that a program made.

    Args:
        place: its number among all inner instructions of its transaction.
        maker: the program that made it; None where the node does not say.
    """

    place: int
    program: bytes
    accounts: tuple[bytes, ...]
    content: bytes
    maker: bytes | None


@dataclass(frozen=True, slots=True)
class Holding:
    """What a token account held. [token base units]"""

    mint: bytes
    units: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """
    One transaction that names the vault, and succeeded.

    Args:
        place: its number in its block.
        calls: the instructions that programs made to the watched program.
        outer: data of the transaction's own instructions to the watched program.
        before, after: what its token accounts held.
    """

    place: int
    signature: bytes
    calls: tuple[Call, ...]
    outer: tuple[bytes, ...]
    before: Mapping[bytes, Holding]
    after: Mapping[bytes, Holding]


@dataclass(frozen=True, slots=True)
class Unread:
    """A transaction of a version that is not read; nobody knows what it holds."""

    place: int
    version: str


@dataclass(frozen=True, slots=True)
class BlockContent:
    """
    What a block holds for a vault.

    Args:
        succeeded: the transactions that name it, in order.
        failed: the signatures of those that name it and failed.
        unread: transactions of unknown versions, whomever they name.
    """

    succeeded: tuple[Transaction, ...]
    failed: frozenset[bytes]
    unread: tuple[Unread, ...]


def content_of(value: object, *, program: bytes, account: bytes) -> BlockContent:
    """
    Return what a block holds.

    Args:
        value: an answer to getBlock with full transactions in base64.
        program: whose instructions are read.
        account: transactions that name it are read, the others passed over.

    Raises:
        AnswerShapeError: a transaction that is read is not what it must be.
    """
    items = items_of(fields_of(value, "block").get("transactions"), "block.transactions")
    if len(items) > TRANSACTIONS_MAX:
        raise AnswerShapeError(f"a block with {len(items)} transactions")
    return content_of_placed(enumerate(items), program=program, account=account)


def content_of_placed(
    placed: Iterable[tuple[int, object]], *, program: bytes, account: bytes
) -> BlockContent:
    """Return what some transactions of a block hold, each given with its place, see content_of."""
    text = base58_of(account)
    succeeded: list[Transaction] = []
    failed: set[bytes] = set()
    unread: list[Unread] = []
    for place, item in placed:
        fields = fields_of(item, "transaction")
        version = fields.get("version", LEGACY)
        if type(version) not in (str, int) or version not in MESSAGES:
            unread.append(Unread(place, shown(version)))
            continue
        raw = base64_of(fields.get("transaction"), "transaction", TRANSACTION_BYTES_MAX)
        meta = fields_of(fields.get("meta"), "transaction.meta")
        if account not in raw and not _loads(meta, text):
            continue
        reading = _Reading(raw, meta, program)
        if account not in reading.keys:
            continue  # the bytes stand in some data
        if not isinstance(reading.tx.message, MESSAGES[version]):
            raise AnswerShapeError(f"a transaction is of another version than {shown(version)}")
        if _has_failed(meta):
            failed.add(reading.signature)
        else:
            succeeded.append(reading.transaction(place))
    return BlockContent(tuple(succeeded), frozenset(failed), tuple(unread))


def joined(contents: Iterable[BlockContent]) -> BlockContent:
    """Return the contents of parts of one block, given in order, as one."""
    parts = tuple(contents)
    return BlockContent(
        succeeded=tuple(one for part in parts for one in part.succeeded),
        failed=frozenset(one for part in parts for one in part.failed),
        unread=tuple(one for part in parts for one in part.unread),
    )


def _loads(meta: Mapping[str, object], text: str) -> bool:
    """Return whether a transaction may have an account from a lookup table."""
    loaded = meta.get("loadedAddresses")
    if not isinstance(loaded, dict):
        return False
    lists = (loaded.get("writable"), loaded.get("readonly"))
    return any(isinstance(listed, list) and text in listed for listed in lists)


def _has_failed(meta: Mapping[str, object]) -> bool:
    has_failed = is_failure(meta, "transaction.meta")
    status = meta.get("status")
    if isinstance(status, dict) and ("Err" in status) is not has_failed:
        raise AnswerShapeError("a transaction's status contradicts its error")
    return has_failed


class _Reading:
    """One transaction while it is read."""

    def __init__(self, raw: bytes, meta: Mapping[str, object], program: bytes) -> None:
        self.tx = _transaction_of(raw)
        self.signature = bytes(self.tx.signatures[0])
        self.meta = meta
        self.program = program
        self.keys = _keys_of(self.tx, meta)

    def transaction(self, place: int) -> Transaction:
        """Return it as a whole."""
        return Transaction(
            place=place,
            signature=self.signature,
            calls=self._calls(),
            outer=tuple(
                bytes(one.data)
                for one in self.tx.message.instructions
                if self._key(one.program_id_index, "programIdIndex") == self.program
            ),
            before=self._holdings("preTokenBalances"),
            after=self._holdings("postTokenBalances"),
        )

    def _calls(self) -> tuple[Call, ...]:
        """Return what was called of the program; places count all inner instructions."""
        groups = items_of(self.meta.get("innerInstructions"), "meta.innerInstructions")
        found: list[Call] = []
        place = 0
        last_index = -1
        for group in groups:
            fields = fields_of(group, "innerInstructions")
            index = number_of(fields.get("index"), "innerInstructions.index", KEYS_MAX * KEYS_MAX)
            if not last_index < index < len(self.tx.message.instructions):
                raise AnswerShapeError(f"inner instructions of instruction {index}")
            last_index = index
            outer = self.tx.message.instructions[index]
            stack = [self._key(outer.program_id_index, "programIdIndex")]
            for item in items_of(fields.get("instructions"), "innerInstructions.instructions"):
                call = self._call(fields_of(item, "inner instruction"), place, stack)
                if call is not None:
                    found.append(call)
                place += 1
        if place > CALLS_MAX:
            raise AnswerShapeError(f"a transaction with {place} inner instructions")
        return tuple(found)

    def _call(self, fields: Mapping[str, object], place: int, stack: list[bytes]) -> Call | None:
        """Return one call, None of another program; the stack holds who called whom."""
        program = self._key(fields.get("programIdIndex"), "programIdIndex")
        height = fields.get("stackHeight")
        maker: bytes | None = None
        if height is not None:
            depth = number_of(height, "stackHeight", KEYS_MAX)
            if not CALL_HEIGHT_MIN <= depth <= len(stack) + 1:
                raise AnswerShapeError(f"an instruction at height {depth} under {len(stack)}")
            del stack[depth - 1 :]
            maker = stack[-1]
            stack.append(program)
        if program != self.program:
            return None
        places = items_of(fields.get("accounts"), "accounts")
        content = fields.get("data")
        if not isinstance(content, str):
            raise AnswerShapeError(f"inner instruction data is {shown(content)}")
        return Call(
            place=place,
            program=program,
            accounts=tuple(self._key(one, "accounts") for one in places),
            # What is longer is another instruction; decoding grows with the square of the length.
            content=bytes_of_base58(content) if len(content) <= EVENT_LETTERS_MAX else b"",
            maker=maker,
        )

    def _key(self, place: object, what: str) -> bytes:
        number = number_of(place, what, KEYS_MAX)
        if number >= len(self.keys):
            raise AnswerShapeError(f"{what} {number} of {len(self.keys)} accounts")
        return self.keys[number]

    def _holdings(self, name: str) -> dict[bytes, Holding]:
        found: dict[bytes, Holding] = {}
        for item in items_of(self.meta.get(name), f"meta.{name}"):
            fields = fields_of(item, name)
            account = self._key(fields.get("accountIndex"), f"{name}.accountIndex")
            amount = fields_of(fields.get("uiTokenAmount"), f"{name}.uiTokenAmount")
            if account in found:
                raise AnswerShapeError(f"an account stands twice in {name}")
            found[account] = Holding(
                word_of(fields.get("mint"), f"{name}.mint"),
                decimal_of(amount.get("amount"), f"{name}.amount"),
            )
        return found


def _transaction_of(raw: bytes) -> VersionedTransaction:
    try:
        tx = VersionedTransaction.from_bytes(raw)
        is_same = bytes(tx) == raw
    except ValueError as exc:
        raise AnswerShapeError("a transaction cannot be read") from exc
    if not is_same or not tx.signatures or len(bytes(tx.signatures[0])) != SIGNATURE_BYTES:
        raise AnswerShapeError("a transaction is not what its bytes say")
    return tx


def _keys_of(tx: VersionedTransaction, meta: Mapping[str, object]) -> tuple[bytes, ...]:
    """Return the accounts as instructions count them: its own, then those of lookup tables."""
    static = tuple(bytes(key) for key in tx.message.account_keys)
    lookups: Sequence[Any] = getattr(tx.message, "address_table_lookups", ())
    counts = (
        sum(len(bytes(one.writable_indexes)) for one in lookups),
        sum(len(bytes(one.readonly_indexes)) for one in lookups),
    )
    loaded = meta.get("loadedAddresses")
    if loaded is None and counts == (0, 0):
        return static
    fields = fields_of(loaded, "meta.loadedAddresses")
    for name, count in zip(("writable", "readonly"), counts, strict=True):
        listed = items_of(fields.get(name), f"loadedAddresses.{name}")
        if len(listed) != count:
            raise AnswerShapeError(f"{count} {name} addresses are loaded, {len(listed)} given")
        static += tuple(word_of(one, f"loadedAddresses.{name}") for one in listed)
    if len(static) > KEYS_MAX:
        raise AnswerShapeError(f"a transaction with {len(static)} accounts")
    return static
