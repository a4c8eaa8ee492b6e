"""A checked image as an ELF file for the loader: sBPF version 0 with sections, 3 without."""

import struct
from typing import Final

from contracts.solana.tools.elf_object import PackError
from contracts.solana.tools.sbpf_image import IMMEDIATE_AT, INSTRUCTION_BYTES, Image

HEADER_BYTES: Final = 64
SEGMENT_BYTES: Final = 56
TEXT_BEGINS: Final = 1 << 32  # where the VM maps what is executed
IDENT: Final = b"\x7fELF\x02\x01\x01" + bytes(9)
ET_DYN: Final = 3
EM_BPF: Final = 247
PT_LOAD: Final = 1
PT_DYNAMIC: Final = 2
EXECUTABLE: Final = 1
READABLE: Final = 4
SHT_PROGBITS: Final = 1
SHT_STRTAB: Final = 3
SHT_DYNAMIC: Final = 6
SHT_REL: Final = 9
SHT_DYNSYM: Final = 11
ALLOCATED: Final = 2
ALLOCATED_TEXT: Final = 6
RELOCATION_BYTES: Final = 16
HASH_BLOCK_BYTES: Final = 4
SYMBOL_BYTES: Final = 24
CALL_RELOCATION: Final = 10  # R_BPF_64_32
UNRESOLVED: Final = -1
GLOBAL: Final = 0x10
DT_NULL, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_REL, DT_RELSZ, DT_RELENT = 0, 5, 6, 10, 17, 18, 19


def emit_v3(image: Image) -> bytes:
    """Return the file for version 3: constants at address 0, syscalls by their hash."""
    text, constants = _with_addresses(image, 0)
    for at, name in image.syscalls.items():
        struct.pack_into("<i", text, at + IMMEDIATE_AT, murmur3(name.encode()))
    begin = HEADER_BYTES + 2 * SEGMENT_BYTES
    return (
        _header(entry=TEXT_BEGINS + image.entry, version=3, segments=2)
        + _segment(READABLE, begin, 0, len(constants))
        + _segment(EXECUTABLE, begin + len(constants), TEXT_BEGINS, len(text))
        + constants
        + text
    )


def emit_v0(image: Image) -> bytes:
    """
    Return the file for version 0: the loader resolves syscalls through a dynamic section.

    Raises:
        PackError: there is nothing for that section.
    """
    if not image.syscalls:
        raise PackError(name="version 0", reason="needs a syscall; without one use version 3")
    text_at = HEADER_BYTES + 3 * SEGMENT_BYTES
    constants_at = text_at + len(image.text)
    text, constants = _with_addresses(image, TEXT_BEGINS + constants_at)
    for at in image.syscalls:
        struct.pack_into("<i", text, at + IMMEDIATE_AT, UNRESOLVED)
    names = sorted(set(image.syscalls.values()))
    strings, name_at = _strings(names)
    symbols = bytes(SYMBOL_BYTES) + b"".join(
        struct.pack("<IBBHQQ", name_at[name], GLOBAL, 0, 0, 0, 0) for name in names
    )
    relocations = b"".join(
        struct.pack("<QQ", text_at + at, (names.index(name) + 1) << 32 | CALL_RELOCATION)
        for at, name in sorted(image.syscalls.items())
    )
    dynamic_at = constants_at + len(image.constants)
    symbols_at = dynamic_at + 7 * 16
    strings_at = symbols_at + len(symbols)
    relocations_at = strings_at + len(strings)
    dynamic = b"".join(
        struct.pack("<QQ", tag, value)
        for tag, value in (
            (DT_REL, relocations_at),
            (DT_RELSZ, len(relocations)),
            (DT_RELENT, RELOCATION_BYTES),
            (DT_SYMTAB, symbols_at),
            (DT_STRTAB, strings_at),
            (DT_STRSZ, len(strings)),
            (DT_NULL, 0),
        )
    )
    sections = (
        (".text", SHT_PROGBITS, ALLOCATED_TEXT, 0, 0, bytes(text)),
        (".rodata", SHT_PROGBITS, ALLOCATED, 0, 0, bytes(constants)),
        (".dynamic", SHT_DYNAMIC, ALLOCATED, 5, 16, dynamic),
        (".dynsym", SHT_DYNSYM, ALLOCATED, 5, SYMBOL_BYTES, symbols),
        (".dynstr", SHT_STRTAB, ALLOCATED, 0, 0, strings),
        (".rel.dyn", SHT_REL, ALLOCATED, 4, RELOCATION_BYTES, relocations),
    )
    loaded = len(text) + len(image.constants)
    segments = (
        _segment(READABLE | EXECUTABLE, text_at, text_at, loaded)
        + _segment(READABLE, dynamic_at, dynamic_at, relocations_at + len(relocations) - dynamic_at)
        + _segment(READABLE, dynamic_at, dynamic_at, len(dynamic), kind=PT_DYNAMIC)
    )
    return _with_sections(image.entry + text_at, segments, sections)


def murmur3(text: bytes) -> int:
    """Return the 32-bit murmur3 hash with seed 0 that names a syscall, as a signed number."""
    state = 0
    for at in range(0, len(text), HASH_BLOCK_BYTES):
        block = int.from_bytes(text[at : at + HASH_BLOCK_BYTES], "little") * 0xCC9E2D51 & 0xFFFFFFFF
        state ^= _rotated(block, 15) * 0x1B873593 & 0xFFFFFFFF
        if len(text) - at >= HASH_BLOCK_BYTES:
            state = (_rotated(state, 13) * 5 + 0xE6546B64) & 0xFFFFFFFF
    state ^= len(text)
    state = (state ^ state >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    state = (state ^ state >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    state ^= state >> 16
    return state - (1 << 32) if state >> 31 else state


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & 0xFFFFFFFF


def _with_addresses(image: Image, begin: int) -> tuple[bytearray, bytearray]:
    text, constants = bytearray(image.text), bytearray(image.constants)
    for at, offset in image.loads.items():
        low, high = (begin + offset) & 0xFFFFFFFF, (begin + offset) >> 32
        struct.pack_into("<I", text, at + IMMEDIATE_AT, low)
        struct.pack_into("<I", text, at + INSTRUCTION_BYTES + IMMEDIATE_AT, high)
    for at, offset in image.pointers.items():
        struct.pack_into("<Q", constants, at, begin + offset)
    return text, constants


def _strings(names: list[str]) -> tuple[bytes, dict[str, int]]:
    table = b"\0"
    name_at: dict[str, int] = {}
    for name in names:
        name_at[name] = len(table)
        table += name.encode() + b"\0"
    return table + bytes(-len(table) % INSTRUCTION_BYTES), name_at


def _with_sections(
    entry: int, segments: bytes, sections: tuple[tuple[str, int, int, int, int, bytes], ...]
) -> bytes:
    names, name_at = _strings([section[0] for section in sections] + [".shstrtab"])
    body = b""
    heads = bytes(64)
    at = HEADER_BYTES + len(segments)
    for name, kind, flags, link, entry_bytes, content in sections:
        heads += struct.pack(
            "<IIQQQQIIQQ",
            *(name_at[name], kind, flags, at, at, len(content), link, 0, 8, entry_bytes),
        )
        body += content
        at += len(content)
    heads += struct.pack(
        "<IIQQQQIIQQ", name_at[".shstrtab"], SHT_STRTAB, 0, 0, at, len(names), 0, 0, 1, 0
    )
    header = _header(
        entry=entry,
        version=0,
        segments=len(segments) // SEGMENT_BYTES,
        sections=(at + len(names), len(sections) + 2),
    )
    return header + segments + body + names + heads


def _header(
    *, entry: int, version: int, segments: int, sections: tuple[int, int] = (0, 0)
) -> bytes:
    sections_at, count = sections
    return struct.pack(
        "<16sHHIQQQIHHHHHH",
        *(IDENT, ET_DYN, EM_BPF, 1, entry, HEADER_BYTES, sections_at, version),
        *(HEADER_BYTES, SEGMENT_BYTES, segments, 64, count, max(count - 1, 0)),
    )


def _segment(flags: int, at: int, address: int, size: int, *, kind: int = PT_LOAD) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, flags, at, address, address, size, size, 8)
