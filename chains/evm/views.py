"""Views of vaults and credit lines, each pinned to a block."""

import asyncio

from chains.attestation import GuardianSet
from chains.errors import AttestationError, RpcAnswerError
from chains.evm.abi import number_of, words_of
from chains.inspection import ExitTerms
from chains.line.shapes import usable
from chains.port import (
    Argument,
    ContractCall,
    ContractReader,
    CreditLineState,
    Grant,
    VaultState,
)
from chains.types import WORD_BYTES, BlockHeader, BlockRef, evm_address_of_word

PAUSE_OUTFLOW = 1
PAUSE_LOCKS = 2
GUARDIAN_SET_HEAD_WORDS = 4


async def number_view(
    reader: ContractReader,
    contract: bytes,
    question: tuple[str, tuple[Argument, ...]],
    block: BlockRef | None,
    *,
    bits: int = 256,
) -> int:
    """
    Return the answer of a view that returns one unsigned integer.

    Args:
        question: canonical signature and its arguments.

    Raises:
        RpcAnswerError: the answer is not one word that fits; often there is no such contract.
    """
    words = await word_views(reader, contract, question, block, count=1)
    with usable(reader.chain_id, question[0]):
        return number_of(words[0], bits)


async def word_views(
    reader: ContractReader,
    contract: bytes,
    question: tuple[str, tuple[Argument, ...]],
    block: BlockRef | None,
    *,
    count: int,
) -> tuple[bytes, ...]:
    """
    Return the answer of a view that returns a fixed number of words.

    Raises:
        RpcAnswerError: another length; an empty answer means that there is no such contract.
    """
    function, arguments = question
    raw = await reader.view(ContractCall(reader.chain_id, contract, function, arguments), block)
    if not raw:
        raise RpcAnswerError(
            chain_id=reader.chain_id,
            method=function,
            reason=f"0x{contract.hex()} has no such view here; check the configured address",
        )
    with usable(reader.chain_id, function):
        return words_of(raw, count)


async def vault_state(
    reader: ContractReader, vault: bytes, token: bytes, block: BlockRef
) -> VaultState:
    """Return what a vault says about a token at a block."""
    held, balance, available, flags, lock_count = await asyncio.gather(
        number_view(reader, vault, ("held(address)", (token,)), block),
        number_view(reader, token, ("balanceOf(address)", (vault,)), block),
        number_view(reader, vault, ("outflowAvailable(address)", (token,)), block),
        number_view(reader, vault, ("pauseFlags(address)", (token,)), block, bits=2),
        number_view(reader, vault, ("lockCount()", ()), block, bits=64),
    )
    return VaultState(
        block=block,
        vault=vault,
        token=token,
        held_units=held,
        balance_units=balance,
        outflow_available_units=available,
        lock_count=lock_count,
        is_outflow_paused=bool(flags & PAUSE_OUTFLOW),
        is_lock_paused=bool(flags & PAUSE_LOCKS),
    )


async def exit_terms(reader: ContractReader, vault: bytes, header: BlockHeader) -> ExitTerms:
    """Return when owners may leave a vault, as of a block and its time."""
    attested_at, delay_seconds = await asyncio.gather(
        number_view(reader, vault, ("lastAttestedAt()", ()), header.block, bits=64),
        number_view(reader, vault, ("exitDelay()", ()), header.block, bits=64),
    )
    return ExitTerms(attested_at, delay_seconds, now_seconds=header.timestamp_seconds)


async def credit_line_state(
    reader: ContractReader, credit_line: bytes, block: BlockRef
) -> CreditLineState:
    """Return the interest index as last written, when that was, and the rate."""
    index, accrued_at, rate = await asyncio.gather(
        number_view(reader, credit_line, ("indexStored()", ()), block),
        number_view(reader, credit_line, ("lastAccruedAt()", ()), block, bits=64),
        number_view(reader, credit_line, ("ratePerSecondRay()", ()), block),
    )
    return CreditLineState(
        index_ray=index, last_accrued_seconds=accrued_at, rate_per_second_ray=rate
    )


async def grant(
    reader: ContractReader, credit_line: bytes, account: bytes, block: BlockRef
) -> Grant:
    """Return the grant in force for an account."""
    question = ("grantOf(bytes32)", (account,))
    words = await word_views(reader, credit_line, question, block, count=4)
    with usable(reader.chain_id, question[0]):
        evm_address_of_word(words[0])
        return Grant(
            borrower=words[0],
            expiry_seconds=number_of(words[1], 64),
            nonce=number_of(words[2], 64),
            limit_units=number_of(words[3]),
        )


async def is_executed(
    reader: ContractReader, contract: bytes, message_id: bytes, block: BlockRef | None
) -> bool:
    """Return whether a contract has executed a message."""
    question = ("isExecuted(bytes32)", (message_id,))
    return await number_view(reader, contract, question, block, bits=1) == 1


async def current_guardian_set(
    reader: ContractReader, contract: bytes, block: BlockRef | None
) -> GuardianSet:
    """Return the current guardian set of a vault or a credit line."""
    index_question: tuple[str, tuple[Argument, ...]] = ("currentGuardianSetIndex()", ())
    index = await number_view(reader, contract, index_question, block, bits=32)
    function = "guardianSet(uint32)"
    raw = await reader.view(ContractCall(reader.chain_id, contract, function, (index,)), block)
    with usable(reader.chain_id, function):
        return _guardian_set(index, raw)


def _guardian_set(index: int, raw: bytes) -> GuardianSet:
    """Read (address[] members, uint8 threshold, uint64 validUntil)."""
    size = len(raw) // WORD_BYTES
    words = words_of(raw, max(size, GUARDIAN_SET_HEAD_WORDS))
    if number_of(words[0]) != 3 * WORD_BYTES:
        raise ValueError("the members do not follow the three head words")
    members = words[GUARDIAN_SET_HEAD_WORDS:]
    if number_of(words[3]) != len(members):
        raise ValueError(f"{number_of(words[3])} members are announced, {len(members)} follow")
    for member in members:
        evm_address_of_word(member)
    try:
        return GuardianSet(index=index, threshold=number_of(words[1], 8), members=members)
    except AttestationError as exc:
        raise ValueError(exc.reason) from exc
