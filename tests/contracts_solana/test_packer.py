"""The packer refuses what the VM would run otherwise than clang meant, and writes the rest."""

import struct
from pathlib import Path

import pytest
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import TransactionMetadata

from contracts.solana.tools import build
from contracts.solana.tools.elf_object import (
    HEADER,
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_WRITE,
    SHT_NOBITS,
    ElfObject,
    PackError,
    Relocation,
    Section,
    Symbol,
    read_object,
)
from contracts.solana.tools.sbpf_check import check_image
from contracts.solana.tools.sbpf_emit import emit_v0, emit_v3, murmur3
from contracts.solana.tools.sbpf_image import Image, link

EXIT = bytes((0x95,)) + bytes(7)
RETURN_ZERO = bytes((0xB7,)) + bytes(7)
PROGRAM_ID = Pubkey(b"\7" * 32)
ENTRY = "unsigned long entrypoint(unsigned char *in) "


def instruction(opcode: int, registers: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    """Return one instruction."""
    return struct.pack("<BBhi", opcode, registers, offset, immediate)


def image_of(*instructions: bytes, syscalls: dict[int, str] | None = None) -> Image:
    """Return an image of some instructions."""
    return Image(text=bytearray(b"".join(instructions)), syscalls=syscalls or {})


def section(flags: int, content: bytes, *, name: str = ".text", kind: int = 1) -> Section:
    """Return a section."""
    return Section(name, kind, SHF_ALLOC | flags, 0, 0, 8, content)


def object_of(
    *sections: Section, symbols: tuple[Symbol, ...] = (), relocations: tuple[Relocation, ...] = ()
) -> ElfObject:
    """Return an object whose first section defines the entry point."""
    entry = Symbol("entrypoint", 0, 0, is_global=True, is_section=False)
    return ElfObject("test.o", sections, (entry, *symbols), relocations)


def compiled(folder: Path, source: str, *flags: str) -> ElfObject:
    """Return what clang makes of a source; the flags come after the usual ones."""
    if not build.is_compiler_there():
        pytest.skip(f"{build.CLANG} is not installed")
    path = folder / "test.c"
    path.write_text(source)
    usual = tuple(flag for flag in build.FLAGS if not flag.startswith("-W"))
    return read_object(build.compile_file(path, folder / "out.o", flags=(*usual, *flags)), name="c")


def packed(each: ElfObject) -> Image:
    """Link and check one object."""
    image = link((each,))
    check_image(image)
    return image


def run(program: bytes, content: bytes = b"") -> int | None:
    """Return the custom error a program ends with, None for success."""
    svm, payer = LiteSVM(), Keypair()
    svm.airdrop(payer.pubkey(), 10**9)
    svm.add_program(PROGRAM_ID, program)
    call = Instruction(PROGRAM_ID, content, [])
    message = Message.new_with_blockhash([call], payer.pubkey(), svm.latest_blockhash())
    answer = svm.send_transaction(VersionedTransaction(message, [payer]))
    if isinstance(answer, TransactionMetadata):
        return None
    return int(answer.err().err.code)  # type: ignore[union-attr]


def test_the_smallest_program_passes() -> None:
    """Return zero, exit."""
    check_image(image_of(RETURN_ZERO, EXIT))


@pytest.mark.parametrize(
    ("reason", "wrong"),
    [
        ("mcpu=v2", instruction(0x04)),  # add32
        ("mcpu=v2", instruction(0xB4)),  # mov32
        ("mcpu=v2", instruction(0x16)),  # jeq32
        ("mcpu=v2", instruction(0xDB)),  # atomic add
        ("mcpu=v2", instruction(0x81)),  # load with a sign
        ("mcpu=v2", instruction(0x8D)),  # call of a register
        ("mcpu=v2", instruction(0xD4, immediate=16)),  # to little-endian
        ("does not read", instruction(0x3F, offset=1)),  # division with a sign
        ("does not read", instruction(0xBF, offset=8)),  # move with a sign
        ("register that is none", instruction(0xB7, registers=11)),
        ("register that is none", instruction(0xBF, registers=0xB0)),
        ("frame register", instruction(0xB7, registers=10)),
        ("frame register", instruction(0x79, registers=10)),
        ("division by zero", instruction(0x37)),
        ("division by zero", instruction(0x97)),
        ("beyond the register", instruction(0x67, immediate=64)),
        ("beyond the register", instruction(0xC7, immediate=-1)),
        ("no width", instruction(0xDC, immediate=8)),
        ("no instruction begins", instruction(0x05, offset=9)),
        ("no instruction begins", instruction(0x15, offset=-5)),
        ("not resolved", instruction(0x85, immediate=-1)),
        ("no instruction begins", instruction(0x85, registers=0x10, immediate=99)),
    ],
)
def test_an_instruction_the_vm_reads_otherwise_is_refused(reason: str, wrong: bytes) -> None:
    """Each with what is wrong with it."""
    with pytest.raises(PackError, match=reason):
        check_image(image_of(wrong, RETURN_ZERO, EXIT))


def test_a_jump_into_a_wide_load_is_refused() -> None:
    """Its second half is no instruction."""
    wide = instruction(0x18) + bytes(8)

    with pytest.raises(PackError, match="no instruction begins"):
        check_image(image_of(instruction(0x05, offset=1), wide, EXIT))
    with pytest.raises(PackError, match="half of a wide load"):
        check_image(image_of(EXIT, instruction(0x18)))
    with pytest.raises(PackError, match="half of a wide load"):
        check_image(image_of(instruction(0x18), EXIT, EXIT))


def test_a_text_must_end_and_be_whole() -> None:
    """Nothing runs over its end."""
    with pytest.raises(PackError, match="over its end"):
        check_image(image_of(EXIT, RETURN_ZERO))
    with pytest.raises(PackError, match="9 bytes"):
        check_image(image_of(EXIT, b"\0"))
    with pytest.raises(PackError, match="0 bytes"):
        check_image(image_of())
    with pytest.raises(PackError, match="begins outside"):
        check_image(Image(text=bytearray(EXIT), entry=8))


def test_a_syscall_is_not_called_as_a_function() -> None:
    """Version 3 would look for it in the program, and stop."""
    with pytest.raises(PackError, match="as a function"):
        check_image(
            image_of(instruction(0x85, registers=0x10), EXIT, syscalls={0: "sol_keccak256"})
        )


@pytest.mark.parametrize("name", ["memcpy", "memset", "sol_log_", "abort", "__multi3"])
def test_a_syscall_that_the_program_does_not_need_is_refused(name: str) -> None:
    """A loader that is lenient would find out only when the call is made."""
    with pytest.raises(PackError, match=f"{name} is no syscall"):
        check_image(image_of(instruction(0x85), EXIT, syscalls={0: name}))


def test_variables_are_refused() -> None:
    """Neither written data nor room for it."""
    text = section(SHF_EXECINSTR, EXIT)
    for each in (
        section(SHF_WRITE, bytes(8), name=".data"),
        section(SHF_WRITE, bytes(8), name=".bss", kind=SHT_NOBITS),
    ):
        with pytest.raises(PackError, match="no variables"):
            link((object_of(text, each),))


def test_a_program_has_one_entry_point() -> None:
    """None, or two, are refused."""
    text = section(SHF_EXECINSTR, EXIT)

    with pytest.raises(PackError, match="no object defines entrypoint"):
        link((ElfObject("empty.o", (text,), (), ()),))
    with pytest.raises(PackError, match="defined twice"):
        link((object_of(text), object_of(text)))


@pytest.mark.parametrize(("kind", "opcode"), [(1, 0xB7), (2, 0x18), (7, 0x18)])
def test_a_relocation_of_another_form_is_refused(kind: int, opcode: int) -> None:
    """Only the forms that clang writes at this level are resolved."""
    text = section(SHF_EXECINSTR, instruction(opcode) + EXIT)
    symbol = Symbol("", 1, 0, is_global=False, is_section=True)
    constants = section(0, bytes(8), name=".rodata")
    each = object_of(text, constants, relocations=(Relocation(0, 0, kind, symbol),))

    with pytest.raises(PackError, match="not supported"):
        link((each,))


def test_a_pointer_to_a_function_or_to_nothing_is_refused() -> None:
    """Calls go by name, and a constant must be one of ours."""
    text = section(SHF_EXECINSTR, instruction(0x18) + bytes(8) + EXIT)
    for symbol in (
        Symbol("function", 0, 0, is_global=True, is_section=False),
        Symbol("elsewhere", 9, 0, is_global=True, is_section=False),
    ):
        each = object_of(text, relocations=(Relocation(0, 0, 1, symbol),))
        with pytest.raises(PackError, match="no constant of ours"):
            link((each,))


@pytest.mark.parametrize("length", [0, 63, 64, 200])
def test_a_damaged_object_is_refused(length: int) -> None:
    """Cut, or of another kind."""
    whole = HEADER.pack(b"\x7fELF\2\1\1" + bytes(9), 1, 247, 1, *(0, 0, 64, 0, 64, 0, 0, 64, 3, 1))

    with pytest.raises(PackError):
        read_object((whole + bytes(300))[:length], name="cut.o")
    with pytest.raises(PackError, match="no relocatable object"):
        read_object(whole[:18] + b"\x3e" + whole[19:] + bytes(200), name="x86.o")


@pytest.mark.parametrize("level", ["v3", "v4"])
def test_a_newer_level_of_clang_is_refused(tmp_path: Path, level: str) -> None:
    """Its 32-bit arithmetic would be a silent wrong number in a vault."""
    source = ENTRY + "{ unsigned x = *(unsigned *)in; return x + 0x80000000u > 5u; }"

    packed(compiled(tmp_path, source))
    with pytest.raises(PackError, match="mcpu=v2"):
        packed(compiled(tmp_path, source, f"-mcpu={level}"))


def test_a_call_of_memcpy_and_a_variable_are_refused(tmp_path: Path) -> None:
    """As clang writes them."""
    copying = "void *memcpy(void *, const void *, unsigned long);" + ENTRY
    with pytest.raises(PackError, match="memcpy is no syscall"):
        packed(compiled(tmp_path, copying + "{ memcpy(in, in + 8, 8); return 0; }"))
    with pytest.raises(PackError, match="no variables"):
        packed(compiled(tmp_path, "unsigned long seen;" + ENTRY + "{ return seen += in[0]; }"))


TABLES = """
unsigned long sol_keccak256(const void *, unsigned long, unsigned char *);
static const char TEXT[] = "one two";
static const char *const WORDS[] = {TEXT, TEXT + 4};
__attribute__((noinline)) static unsigned long twice(unsigned long x) { return x * 2; }
unsigned long entrypoint(unsigned char *in) {
    const unsigned char *content = in + 16;
    if (content[0] == 2) { return sol_keccak256(0, 0, in); }
    return 7000 + twice((unsigned long)WORDS[content[0] & 1][1]);
}
"""


def test_tables_of_pointers_and_calls_run_in_both_versions(tmp_path: Path) -> None:
    """Addresses inside constants, and of them, are right in either layout."""
    image = packed(compiled(tmp_path, TABLES))

    assert list(image.syscalls.values()) == ["sol_keccak256"]
    for program in (emit_v0(image), emit_v3(image)):
        assert [run(program, content) for content in (b"\0", b"\1", b"\2")] == [
            7000 + 2 * ord("n"),
            7000 + 2 * ord("w"),
            None,
        ]


def test_a_program_without_syscalls_is_of_version_3() -> None:
    """The loader of version 0 wants something dynamic."""
    with pytest.raises(PackError, match="needs a syscall"):
        emit_v0(image_of(RETURN_ZERO, EXIT))
    assert run(emit_v3(image_of(RETURN_ZERO, EXIT))) is None
    assert run(emit_v3(image_of(instruction(0xB7, immediate=7_777), EXIT))) == 7_777


def test_names_of_syscalls_hash_as_the_loader_says() -> None:
    """Known values of murmur3 with seed 0."""
    assert murmur3(b"sol_log_") == 544_561_597
    assert murmur3(b"") == 0
    assert murmur3(b"abort") & 0xFFFFFFFF == 0xB6FC1A11
