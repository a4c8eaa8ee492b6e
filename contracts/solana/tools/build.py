"""
Compile the Solana programs with clang and pack them into contracts/artifacts/solana.

Run: python -m contracts.solana.tools.build          write the artifacts
     python -m contracts.solana.tools.build --check  compare with what is committed
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from contracts.solana.tools.elf_object import read_object
from contracts.solana.tools.sbpf_check import check_image
from contracts.solana.tools.sbpf_emit import emit_v0, emit_v3
from contracts.solana.tools.sbpf_image import link

CLANG: Final = "clang-19"
# -mcpu=v2 always: the VM and newer levels disagree in silence (sbpf_check.py).
FLAGS: Final = (
    *("-target", "bpf", "-mcpu=v2", "-O2", "-std=c11", "-ffreestanding", "-fno-builtin"),
    *("-fno-strict-aliasing", "-fno-jump-tables", "-mllvm", "-bpf-stack-size=4096"),
    *("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wno-sign-conversion"),
)
COMPILE_SECONDS_MAX: Final = 60
SOURCES: Final = Path(__file__).parents[1] / "src"
ARTIFACTS: Final = Path(__file__).parents[2] / "artifacts" / "solana"
# Program -> its sources; the last two are for tests: one forges events, one takes too much.
PROGRAMS: Final = {
    "vault": tuple(sorted(SOURCES.glob("*.c"))),
    "forger": tuple(SOURCES / name for name in ("addresses.c", "devnet/forger.c", "input.c")),
    "greedy_token": tuple(SOURCES / name for name in ("devnet/greedy_token.c", "input.c")),
}


def is_compiler_there() -> bool:
    """Return whether the one compiler that the artifacts are made with is installed."""
    return shutil.which(CLANG) is not None


def compile_file(source: Path, output: Path, *, flags: tuple[str, ...] = FLAGS) -> bytes:
    """Return the object of one file."""
    command = (CLANG, *flags, "-I", str(SOURCES), "-c", str(source), "-o", str(output))
    subprocess.run(command, check=True, timeout=COMPILE_SECONDS_MAX)  # noqa: S603
    return output.read_bytes()


def build(name: str) -> dict[str, bytes]:
    """Return the files of a program by name; the same sources give the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        objects = tuple(
            read_object(compile_file(source, Path(folder) / "out.o"), name=source.name)
            for source in PROGRAMS[name]
        )
    image = link(objects)
    check_image(image)
    return {f"{name}-v0.so": emit_v0(image), f"{name}-v3.so": emit_v3(image)}


def main(arguments: list[str]) -> int:
    """Write the artifacts, or with --check say which differ; return the exit code."""
    differing = []
    for program in PROGRAMS:
        for name, content in build(program).items():
            path = ARTIFACTS / name
            if arguments != ["--check"]:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            elif not path.exists() or path.read_bytes() != content:
                differing.append(name)
            print(f"{len(content):7d} {name}")
    for name in differing:
        print(f"differs: {name}; run make contracts-solana")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
