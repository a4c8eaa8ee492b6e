"""Objects joined into one text and one block of constants; what depends on addresses stays open."""

import struct
from dataclasses import dataclass, field
from typing import Final

from contracts.solana.tools.elf_object import (
    SHF_ALLOC,
    SHF_WRITE,
    SHT_NOBITS,
    ElfObject,
    PackError,
    Relocation,
    Symbol,
)

INSTRUCTION_BYTES: Final = 8
ENTRYPOINT: Final = "entrypoint"
LDDW: Final = 0x18
CALL: Final = 0x85
IMMEDIATE_AT: Final = 4  # in an instruction
CALL_INTERNAL: Final = 1  # in the source register
POINTER_LOAD: Final = 1  # R_BPF_64_64, at an lddw
POINTER: Final = 2  # R_BPF_64_ABS64, inside a constant
DEBUG_KINDS: Final = frozenset({3, 4})  # R_BPF_64_ABS32, R_BPF_64_NODYLD32
FUNCTION_CALL: Final = 10  # R_BPF_64_32
# No constant has the address 0, which C calls NULL.
CONSTANTS_BEGIN: Final = bytes(8)


@dataclass(slots=True)
class Image:
    """
    A program without addresses.

    Args:
        entry: offset of the entry point in the text.
        syscalls: offset of a call in the text to the name it calls.
        loads: offset of an lddw in the text to the offset of the constant it loads.
        pointers: offset of a pointer in the constants to the offset of the constant it names.
    """

    text: bytearray = field(default_factory=bytearray)
    constants: bytearray = field(default_factory=lambda: bytearray(CONSTANTS_BEGIN))
    entry: int = 0
    syscalls: dict[int, str] = field(default_factory=dict)
    loads: dict[int, int] = field(default_factory=dict)
    pointers: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a symbol ended up: an offset in the text or in the constants."""

    is_text: bool
    offset: int


def link(objects: tuple[ElfObject, ...]) -> Image:
    """
    Join objects in the order given.

    Raises:
        PackError: writable data, a name that is defined twice, no entry point, a pointer to a
            function, or a relocation of another form than clang writes at -mcpu=v2.
    """
    linker = _Linker(objects)
    entry = linker.named.get(ENTRYPOINT)
    if entry is None or not entry.is_text:
        raise PackError(name="program", reason=f"no object defines {ENTRYPOINT}")
    linker.image.entry = entry.offset
    for index, each in enumerate(objects):
        for relocation in each.relocations:
            if each.sections[relocation.section].flags & SHF_ALLOC:
                linker.relocate(index, relocation)
    return linker.image


class _Linker:
    def __init__(self, objects: tuple[ElfObject, ...]) -> None:
        self.image = Image()
        self.objects = objects
        self.bases = [self._place_sections(each) for each in objects]
        self.named: dict[str, _Place] = {}
        for index, each in enumerate(objects):
            for symbol in each.symbols:
                if symbol.is_global and symbol.section in self.bases[index]:
                    if symbol.name in self.named:
                        raise PackError(name=each.name, reason=f"{symbol.name} is defined twice")
                    self.named[symbol.name] = self._own_place(index, symbol)

    def relocate(self, index: int, relocation: Relocation) -> None:
        """Resolve one relocation, or note what only an address or the loader can resolve."""
        if relocation.kind in DEBUG_KINDS:
            return
        each = self.objects[index]
        at = self.bases[index][relocation.section] + relocation.offset
        is_in_text = each.sections[relocation.section].is_text
        place = self._place(index, relocation.symbol)
        if relocation.kind == FUNCTION_CALL and is_in_text:
            self._relocate_call(at, relocation.symbol, place)
        elif relocation.kind == POINTER_LOAD and is_in_text and self.image.text[at] == LDDW:
            (addend,) = struct.unpack_from("<I", self.image.text, at + IMMEDIATE_AT)
            self.image.loads[at] = _constant(each, relocation.symbol, place) + int(addend)
        elif relocation.kind == POINTER and not is_in_text:
            (addend,) = struct.unpack_from("<Q", self.image.constants, at)
            self.image.pointers[at] = _constant(each, relocation.symbol, place) + int(addend)
        else:
            reason = f"relocation {relocation.kind} of {relocation.symbol.name!r}"
            raise PackError(name=each.name, reason=f"{reason} is not supported")

    def _relocate_call(self, at: int, symbol: Symbol, place: _Place | None) -> None:
        if place is None:
            self.image.syscalls[at] = symbol.name
            self.image.text[at + 1] &= 0x0F  # version 3 tells a syscall by source register 0
            return
        target = place.offset
        if symbol.is_section:
            (steps,) = struct.unpack_from("<i", self.image.text, at + IMMEDIATE_AT)
            target += (int(steps) + 1) * INSTRUCTION_BYTES
        distance = (target - at - INSTRUCTION_BYTES) // INSTRUCTION_BYTES
        self.image.text[at + 1] = (self.image.text[at + 1] & 0x0F) | CALL_INTERNAL << 4
        struct.pack_into("<i", self.image.text, at + IMMEDIATE_AT, distance)

    def _place(self, index: int, symbol: Symbol) -> _Place | None:
        if symbol.section in self.bases[index]:
            return self._own_place(index, symbol)
        return self.named.get(symbol.name)

    def _own_place(self, index: int, symbol: Symbol) -> _Place:
        section = self.objects[index].sections[symbol.section]
        return _Place(section.is_text, self.bases[index][symbol.section] + symbol.value)

    def _place_sections(self, each: ElfObject) -> dict[int, int]:
        base: dict[int, int] = {}
        for index, section in enumerate(each.sections):
            if not section.flags & SHF_ALLOC or not section.content:
                continue
            if section.flags & SHF_WRITE or section.kind == SHT_NOBITS:
                reason = f"{section.name}: a program has no variables"
                raise PackError(name=each.name, reason=reason)
            block = self.image.text if section.is_text else self.image.constants
            alignment = max(INSTRUCTION_BYTES, section.alignment)
            block.extend(bytes(-len(block) % alignment))
            base[index] = len(block)
            block.extend(section.content)
        self.image.constants.extend(bytes(-len(self.image.constants) % INSTRUCTION_BYTES))
        return base


def _constant(each: ElfObject, symbol: Symbol, place: _Place | None) -> int:
    if place is None or place.is_text:
        reason = f"a pointer to {symbol.name!r}, which is no constant of ours"
        raise PackError(name=each.name, reason=reason)
    return place.offset
