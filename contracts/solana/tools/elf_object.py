"""Relocatable ELF objects of clang's BPF target, read; the first step of the packer."""

import struct
from dataclasses import dataclass
from typing import Final

HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION: Final = struct.Struct("<IIQQQQIIQQ")
SYMBOL: Final = struct.Struct("<IBBHQQ")
RELOCATION: Final = struct.Struct("<QQ")
IDENT: Final = b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian
ET_REL: Final = 1
EM_BPF: Final = 247
SHT_SYMTAB: Final = 2
SHT_RELA: Final = 4
SHT_NOBITS: Final = 8
SHT_REL: Final = 9
SHF_WRITE: Final = 1
SHF_ALLOC: Final = 2
SHF_EXECINSTR: Final = 4
SHN_UNDEF: Final = 0
SHN_LORESERVE: Final = 0xFF00
STB_GLOBAL: Final = 1
STT_SECTION: Final = 3


class PackError(Exception):
    """An object cannot become a program that the loader runs as it was written."""

    def __init__(self, *, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name}: {reason}")


@dataclass(frozen=True, slots=True)
class Section:
    """One section; content is empty for what occupies no bytes in the file."""

    name: str
    kind: int
    flags: int
    link: int
    applies_to: int
    alignment: int
    content: bytes

    @property
    def is_text(self) -> bool:
        """Whether instructions are in it."""
        return bool(self.flags & SHF_ALLOC) and bool(self.flags & SHF_EXECINSTR)


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name; section is an index into the object's sections, 0 where it is defined elsewhere."""

    name: str
    section: int
    value: int
    is_global: bool
    is_section: bool


@dataclass(frozen=True, slots=True)
class Relocation:
    """A place in a section that depends on where a symbol ends up."""

    section: int
    offset: int
    kind: int
    symbol: Symbol


@dataclass(frozen=True, slots=True)
class ElfObject:
    """What one compiled file holds."""

    name: str
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    relocations: tuple[Relocation, ...]


def read_object(raw: bytes, *, name: str) -> ElfObject:
    """
    Parse a relocatable object.

    Raises:
        PackError: not an object of the BPF target, cut short, or with relocations of another form.
    """
    try:
        return _read(raw, name)
    except (struct.error, IndexError, UnicodeDecodeError) as exc:
        raise PackError(name=name, reason=f"the file is damaged: {exc}") from exc


def _read(raw: bytes, name: str) -> ElfObject:
    header = HEADER.unpack_from(raw)
    ident, file_kind, machine, sections_at = header[0], header[1], header[2], header[6]
    section_size, section_count, names_index = header[11], header[12], header[13]
    if not ident.startswith(IDENT) or (file_kind, machine) != (ET_REL, EM_BPF):
        raise PackError(name=name, reason="this is no relocatable object for bpfel")
    heads = [
        SECTION.unpack_from(raw, sections_at + place * section_size)
        for place in range(section_count)
    ]
    names = _content(raw, heads[names_index])
    sections = tuple(
        Section(
            name=_text(names, head[0]),
            kind=head[1],
            flags=head[2],
            link=head[6],
            applies_to=head[7],
            alignment=head[8],
            content=_content(raw, head),
        )
        for head in heads
    )
    symbols = _symbols(sections)
    if any(section.kind == SHT_RELA for section in sections):
        raise PackError(name=name, reason="relocations carry addends; clang writes none for bpf")
    return ElfObject(name, sections, symbols, _relocations(sections, symbols))


def _content(raw: bytes, head: tuple[int, ...]) -> bytes:
    if head[1] == SHT_NOBITS:
        return bytes(head[5])
    content = raw[head[4] : head[4] + head[5]]
    if len(content) != head[5]:
        raise IndexError("a section ends behind the file")
    return content


def _text(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode()


def _symbols(sections: tuple[Section, ...]) -> tuple[Symbol, ...]:
    tables = [section for section in sections if section.kind == SHT_SYMTAB]
    if not tables:
        return ()
    names = sections[tables[0].link].content
    return tuple(
        Symbol(
            name=_text(names, name_at),
            section=index if index < SHN_LORESERVE else SHN_UNDEF,
            value=value,
            is_global=kind >> 4 == STB_GLOBAL,
            is_section=kind & 15 == STT_SECTION,
        )
        for name_at, kind, _, index, value, _ in SYMBOL.iter_unpack(tables[0].content)
    )


def _relocations(
    sections: tuple[Section, ...], symbols: tuple[Symbol, ...]
) -> tuple[Relocation, ...]:
    return tuple(
        Relocation(section.applies_to, offset, meaning & 0xFFFFFFFF, symbols[meaning >> 32])
        for section in sections
        if section.kind == SHT_REL
        for offset, meaning in RELOCATION.iter_unpack(section.content)
    )
