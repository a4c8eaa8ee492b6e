"""Views of contracts, read strictly."""

import asyncio
from collections.abc import Callable

import pytest
from eth_abi.abi import encode

from chains.errors import RpcAnswerError
from chains.evm import views
from chains.inspection import ExitTerms
from chains.port import ContractCall
from chains.types import BlockHeader, BlockRef, ChainId
from tests.chains.strategies import CHAIN

CONTRACT = bytes(12) + b"\x0a" * 20
BLOCK = BlockRef(9, b"\x01" * 32)


class FakeContract:
    """Answers views from a table and notes at which block it was asked."""

    chain_id: ChainId = CHAIN

    def __init__(self, answers: dict[str, Callable[[], bytes]]) -> None:
        self.answers = answers
        self.blocks: list[BlockRef | None] = []

    async def view(self, call: ContractCall, block: BlockRef | None) -> bytes:
        """Return the table's answer."""
        self.blocks.append(block)
        return self.answers[call.function]()


def word(value: int) -> Callable[[], bytes]:
    """Return an answer of one number."""
    return lambda: value.to_bytes(32, "big")


def vault(**changes: Callable[[], bytes]) -> FakeContract:
    """Return a vault with plain answers, some changed."""
    answers = {
        "held(address)": word(5),
        "balanceOf(address)": word(6),
        "outflowAvailable(address)": word(7),
        "pauseFlags(address)": word(1),
        "lockCount()": word(8),
        "lastAttestedAt()": word(100),
        "exitDelay()": word(60),
    }
    named = {name: full for full in answers for name in [full.partition("(")[0]]}
    return FakeContract(answers | {named[name]: answer for name, answer in changes.items()})


def test_a_vault_state_is_read_at_one_block() -> None:
    """Every part is pinned to the same block."""
    contract = vault()

    state = asyncio.run(views.vault_state(contract, CONTRACT, CONTRACT, BLOCK))

    assert (state.held_units, state.balance_units, state.outflow_available_units) == (5, 6, 7)
    assert (state.lock_count, state.is_outflow_paused, state.is_lock_paused) == (8, True, False)
    assert contract.blocks == [BLOCK] * 5


@pytest.mark.parametrize("flags", range(4))
def test_pause_flags_are_two_questions(flags: int) -> None:
    """1: outflow, 2: locks."""
    state = asyncio.run(views.vault_state(vault(pauseFlags=word(flags)), CONTRACT, CONTRACT, BLOCK))

    assert (state.is_outflow_paused, state.is_lock_paused) == (flags in (1, 3), flags in (2, 3))


@pytest.mark.parametrize(
    "change",
    [
        {"held": lambda: b""},
        {"held": lambda: bytes(31)},
        {"held": lambda: bytes(64)},
        {"pauseFlags": word(4)},
        {"lockCount": word(2**64)},
    ],
)
def test_an_answer_that_cannot_be_is_unusable(change: dict[str, Callable[[], bytes]]) -> None:
    """Empty (no such contract), another length, or out of range."""
    with pytest.raises(RpcAnswerError):
        asyncio.run(views.vault_state(vault(**change), CONTRACT, CONTRACT, BLOCK))


def test_exit_terms_are_read_at_one_block_whose_time_counts() -> None:
    """Both views are pinned to the header's block."""
    contract = vault()

    terms = asyncio.run(views.exit_terms(contract, CONTRACT, BlockHeader(BLOCK, bytes(32), 120)))

    assert terms == ExitTerms(last_attested_at=100, exit_delay_seconds=60, now_seconds=120)
    assert (terms.left_seconds, terms.is_half_gone) == (40, False)
    assert contract.blocks == [BLOCK] * 2


@pytest.mark.parametrize("name", ["lastAttestedAt", "exitDelay"])
@pytest.mark.parametrize("answer", [lambda: b"", lambda: bytes(64), word(2**64)])
def test_exit_terms_that_cannot_be_are_unusable(name: str, answer: Callable[[], bytes]) -> None:
    """Empty, another length, or more than 64 bits."""
    contract = vault(**{name: answer})

    with pytest.raises(RpcAnswerError):
        asyncio.run(views.exit_terms(contract, CONTRACT, BlockHeader(BLOCK, bytes(32), 120)))


def test_an_address_without_a_contract_is_said_to_be_one() -> None:
    """The remedy is to check the configuration."""
    with pytest.raises(RpcAnswerError, match="check the configured address"):
        asyncio.run(
            views.is_executed(
                FakeContract({"isExecuted(bytes32)": lambda: b""}), CONTRACT, bytes(32), BLOCK
            )
        )


@pytest.mark.parametrize(("answer", "expected"), [(0, False), (1, True)])
def test_an_executed_message_is_a_bool(answer: int, expected: bool) -> None:
    """Zero or one."""
    contract = FakeContract({"isExecuted(bytes32)": word(answer)})

    assert asyncio.run(views.is_executed(contract, CONTRACT, bytes(32), None)) is expected


def test_a_bool_of_two_is_unusable() -> None:
    """Solidity never answers it."""
    contract = FakeContract({"isExecuted(bytes32)": word(2)})

    with pytest.raises(RpcAnswerError):
        asyncio.run(views.is_executed(contract, CONTRACT, bytes(32), None))


def guardian_contract(raw: bytes) -> FakeContract:
    """Return a contract with one guardian set."""
    return FakeContract({"currentGuardianSetIndex()": word(4), "guardianSet(uint32)": lambda: raw})


def set_bytes(count: int, threshold: int) -> bytes:
    """Return how Solidity encodes a set."""
    members = [f"0x{number:040x}" for number in range(1, count + 1)]
    return encode(["address[]", "uint8", "uint64"], [members, threshold, 2**64 - 1])


def test_the_current_guardian_set_is_read() -> None:
    """Members, threshold and index."""
    found = asyncio.run(
        views.current_guardian_set(guardian_contract(set_bytes(3, 2)), CONTRACT, BLOCK)
    )

    assert (found.index, found.threshold, len(found.members)) == (4, 2, 3)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        set_bytes(3, 2)[:-32],
        set_bytes(3, 2) + bytes(32),
        set_bytes(3, 2) + b"\0",
        set_bytes(3, 1),
        set_bytes(3, 4),
        set_bytes(20, 12),
        b"\x01" + set_bytes(3, 2)[1:],
        set_bytes(3, 2)[:-32] + b"\x01" * 32,
    ],
)
def test_a_guardian_set_that_cannot_be_is_unusable(raw: bytes) -> None:
    """Cut, padded, with a threshold that is no majority, or with dirty members."""
    with pytest.raises(RpcAnswerError):
        asyncio.run(views.current_guardian_set(guardian_contract(raw), CONTRACT, BLOCK))


def test_a_grant_is_read() -> None:
    """Borrower, expiry, nonce, limit: in the order of the contract's struct."""
    raw = CONTRACT + b"".join(number.to_bytes(32, "big") for number in (11, 12, 13))

    found = asyncio.run(
        views.grant(FakeContract({"grantOf(bytes32)": lambda: raw}), CONTRACT, bytes(32), BLOCK)
    )

    assert found.borrower == CONTRACT
    assert (found.expiry_seconds, found.nonce, found.limit_units) == (11, 12, 13)


def test_the_state_of_a_credit_line_is_read() -> None:
    """Index, time and rate."""
    contract = FakeContract(
        {"indexStored()": word(10**27), "lastAccruedAt()": word(9), "ratePerSecondRay()": word(8)}
    )

    found = asyncio.run(views.credit_line_state(contract, CONTRACT, BLOCK))

    assert (found.index_ray, found.last_accrued_seconds) == (10**27, 9)
    assert found.rate_per_second_ray == 8
