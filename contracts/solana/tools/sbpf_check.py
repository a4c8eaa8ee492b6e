"""
What every instruction of a program must be, so that no miscompilation passes in silence.

The VM sign-extends 32-bit arithmetic where clang means zero-extension, and divides without a sign
where clang means with one; both come from other -mcpu levels than v2 and are refused here.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from contracts.solana.tools.elf_object import PackError
from contracts.solana.tools.sbpf_image import (
    CALL,
    CALL_INTERNAL,
    ENTRYPOINT,
    INSTRUCTION_BYTES,
    LDDW,
    Image,
)

SYSCALLS: Final = frozenset(
    {
        "sol_create_program_address",
        "sol_get_clock_sysvar",
        "sol_get_rent_sysvar",
        "sol_invoke_signed_c",
        "sol_keccak256",
        "sol_secp256k1_recover",
        "sol_try_find_program_address",
    }
)
CLASS: Final = 0x07
ALU64: Final = 0x07
JUMP: Final = 0x05
EXIT: Final = 0x95
BYTE_SWAP: Final = 0xDC
STORE_CLASSES: Final = frozenset({0x02, 0x03})
LOADS: Final = frozenset({0x61, 0x69, 0x71, 0x79})
STORES: Final = frozenset({0x62, 0x6A, 0x72, 0x7A, 0x63, 0x6B, 0x73, 0x7B})
# add sub mul div or and lsh rsh mod xor mov arsh, with a number or a register
ARITHMETIC: Final = frozenset(
    operation | source | ALU64
    for operation in (0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xA0, 0xB0, 0xC0)
    for source in (0x00, 0x08)
) | {0x87}  # neg
# eq gt ge set ne sgt sge lt le slt sle, with a number or a register
BRANCHES: Final = frozenset(
    operation | source | JUMP
    for operation in (0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xA0, 0xB0, 0xC0, 0xD0)
    for source in (0x00, 0x08)
) | {0x05}  # always
KNOWN: Final = ARITHMETIC | BRANCHES | LOADS | STORES | {BYTE_SWAP, LDDW, CALL, EXIT}
DIVISIONS_BY_NUMBER: Final = frozenset({0x37, 0x97})
SHIFTS_BY_NUMBER: Final = frozenset({0x67, 0x77, 0xC7})
REGISTER_BITS: Final = 64
FRAME_REGISTER: Final = 10
SWAP_WIDTHS: Final = frozenset({16, 32, 64})


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction; at is its offset in the text."""

    at: int
    opcode: int
    target: int
    source: int
    offset: int
    immediate: int


def check_image(image: Image) -> None:
    """
    Refuse a program that the VM would not run as clang meant it.

    Raises:
        PackError: the instruction and what is wrong with it.
    """
    instructions = tuple(_instructions(image))
    starts = {each.at for each in instructions}
    if image.entry not in starts:
        raise PackError(name=ENTRYPOINT, reason="begins outside the text")
    if instructions[-1].opcode not in (EXIT, 0x05):
        raise PackError(name="text", reason="runs over its end")
    for each in instructions:
        reason = _wrong_form(each) or _wrong_jump(each, starts) or _wrong_call(each, starts, image)
        if reason:
            raise PackError(name=f"instruction at {each.at}", reason=reason)


def _instructions(image: Image) -> Iterator[Instruction]:
    if not image.text or len(image.text) % INSTRUCTION_BYTES:
        raise PackError(name="text", reason=f"{len(image.text)} bytes")
    at = 0
    while at < len(image.text):
        opcode, registers, offset, immediate = struct.unpack_from("<BBhi", image.text, at)
        yield Instruction(at, opcode, registers & 0x0F, registers >> 4, offset, immediate)
        if opcode == LDDW:
            second = image.text[at + INSTRUCTION_BYTES : at + 2 * INSTRUCTION_BYTES]
            if len(second) < INSTRUCTION_BYTES or any(second[:4]):
                raise PackError(name=f"instruction at {at}", reason="half of a wide load")
            at += INSTRUCTION_BYTES
        at += INSTRUCTION_BYTES


def _wrong_form(each: Instruction) -> str | None:
    if each.opcode not in KNOWN:
        return f"opcode 0x{each.opcode:02x}; compile with -mcpu=v2"
    if each.target > FRAME_REGISTER or each.source > FRAME_REGISTER:
        return "a register that is none"
    is_store = each.opcode & CLASS in STORE_CLASSES
    writes = each.opcode & CLASS == ALU64 or each.opcode in LOADS | {LDDW, BYTE_SWAP}
    if writes and not is_store and each.target == FRAME_REGISTER:
        return "the frame register is written"
    if each.opcode in ARITHMETIC | {BYTE_SWAP, LDDW} and each.offset:
        return "an offset at arithmetic, which the VM does not read"
    if each.opcode in DIVISIONS_BY_NUMBER and each.immediate == 0:
        return "division by zero"
    if each.opcode in SHIFTS_BY_NUMBER and not 0 <= each.immediate < REGISTER_BITS:
        return "a shift beyond the register"
    if each.opcode == BYTE_SWAP and each.immediate not in SWAP_WIDTHS:
        return "a byte swap of no width"
    return None


def _wrong_jump(each: Instruction, starts: set[int]) -> str | None:
    if each.opcode in BRANCHES:
        target = each.at + (each.offset + 1) * INSTRUCTION_BYTES
        if target not in starts:
            return f"a jump to {target}, where no instruction begins"
    return None


def _wrong_call(each: Instruction, starts: set[int], image: Image) -> str | None:
    if each.opcode != CALL:
        return None
    name = image.syscalls.get(each.at)
    if name is not None and each.source == CALL_INTERNAL:
        return f"{name} is called as a function of the program"
    if name is not None:
        return None if name in SYSCALLS else f"{name} is no syscall the program may use"
    if each.source != CALL_INTERNAL:
        return "a call that is not resolved"
    target = each.at + (each.immediate + 1) * INSTRUCTION_BYTES
    return None if target in starts else f"a call to {target}, where no instruction begins"
