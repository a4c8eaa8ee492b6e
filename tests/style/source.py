"""The tracked files of the tree, read once, as the tidy rules see them."""

import ast
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CODE_SUFFIXES: Final = frozenset({".py", ".pyx", ".pxd", ".sol", ".c", ".h", ".mjs", ".sh"})
TEXT_SUFFIXES: Final = CODE_SUFFIXES | frozenset(
    {".md", ".toml", ".yaml", ".yml", ".json", ".example", ".service", ".lock", ".in", ".ini"}
)
TEXT_NAMES: Final = frozenset({"Makefile", "Dockerfile", "run", ".gitignore", "solcw"})
SKIPPED_FOLDERS: Final = frozenset(
    {
        ".git", ".venv", ".venv-slither", ".venv-bankrun", "__pycache__", "node_modules", "build",
        "dist", "out", "cache", "broadcast", ".mypy_cache", ".ruff_cache", ".pytest_cache",
        ".hypothesis", ".import_linter_cache", ".relayer", ".demo", "crytic-export",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that breaks one rule."""

    path: PurePosixPath
    line: int
    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Source:
    """One text file; the path is relative to the root of the tree."""

    path: PurePosixPath
    text: str

    @property
    def lines(self) -> list[str]:
        """Lines without their ends."""
        return self.text.splitlines()

    @property
    def is_code(self) -> bool:
        """Whether the sizes hold for this file."""
        return self.path.suffix in CODE_SUFFIXES

    @property
    def is_python(self) -> bool:
        """Whether this file has a syntax tree."""
        return self.path.suffix == ".py"

    @property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the syntax tree; none for what is not Python."""
        return _nodes_of(self.text) if self.is_python else ()

    def is_under(self, *folders: str) -> bool:
        """Return whether the file is one of these paths or lies below one."""
        return any(self.path.is_relative_to(folder) for folder in folders)

    def finding(self, line: int, rule: str, detail: str) -> Finding:
        """Return a finding in this file."""
        return Finding(self.path, line, rule, detail)


@functools.cache
def _nodes_of(text: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(text)))


def sources(root: Path = ROOT) -> Iterator[Source]:
    """Yield every text file of the tree, folders of tools and caches left out."""
    for folder, names, files in os.walk(root):
        names[:] = sorted(
            name for name in names if name not in SKIPPED_FOLDERS and not name.endswith(".egg-info")
        )
        for file in sorted(files):
            path = Path(folder, file)
            is_generated = path.suffix == ".c" and path.with_suffix(".pyx").exists()
            if (path.suffix in TEXT_SUFFIXES or file in TEXT_NAMES) and not is_generated:
                relative = PurePosixPath(path.relative_to(root).as_posix())
                yield Source(relative, path.read_text(encoding="utf-8"))
