"""Rules of STYLE.md that no linter knows; each takes a source and names its findings."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Final

from tests.style.source import Finding, Source

Rule = Callable[[Source], Iterator[Finding]]

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60
ARGUMENTS_MAX: Final = 5
COLUMNS_MAX: Final = 100
VAGUE_WORDS: Final = frozenset(
    {"helper", "helpers", "util", "utils", "data", "info", "manager", "managers", "common", "misc"}
)
MONEY_PLACES: Final = (
    "relayer/money.py", "relayer/assets.py", "relayer/ledger", "relayer/reconcile",
    "relayer/risk", "relayer/liquidation", "relayer/governor", "relayer/outbox",
)  # fmt: skip
STATISTICAL_WORDS: Final = frozenset({"volatility", "covariance", "scenario", "scenarios"})
CELERY_KEYWORDS: Final = frozenset(
    {"countdown", "eta", "link", "link_error", "autoretry_for", "retry_backoff", "result_backend"}
)
CELERY_NAMES: Final = frozenset(
    {"chain", "chord", "chunks", "group", "signature", "starmap", "xmap", "AsyncResult"}
)
CELERY_MODULES: Final = frozenset({"celery.canvas", "celery.result", "celery.backends"})
MACHINE_PATH: Final = re.compile(r"(?:^|[^A-Za-z0-9_./-])(/(?:work|root|home|farm|Users)/)")
REGISTRY: Final = re.compile(r"--(?:extra-)?index-url|--find-links|\"resolved\":")
INEXACT_TOKEN: Final = re.compile(
    r"float|double|/|/=|\d[\d_]*\.[\d_]*(?:[eE].*)?|\.\d.*|\d[\d_]*[eE].*"
)
TOP_LEVEL: Final = frozenset(
    {
        "README.md", "pyproject.toml", "setup.py", "Makefile", "CHANGELOG.md", "LICENSE", "relayer",
        "chains", "contracts", "tests", "deploy", "docs", "changelog.d",
    }
)  # fmt: skip

ENDINGS: Final = (".py", ".pyx", "")  # a module, a kernel, a folder

AnyFunction = ast.FunctionDef | ast.AsyncFunctionDef


def file_length(source: Source) -> Iterator[Finding]:
    """Name a code file of more than 400 lines."""
    if source.is_code and len(source.lines) > FILE_LINES_MAX:
        lines = f"{len(source.lines)} lines, {FILE_LINES_MAX} allowed"
        yield source.finding(FILE_LINES_MAX + 1, "file-length", lines)


def function_length(source: Source) -> Iterator[Finding]:
    """Name a function of more than 60 lines, its docstring not counted."""
    for node in _functions(source):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            detail = f"{node.name}: {lines} lines, {FUNCTION_LINES_MAX} allowed"
            yield source.finding(node.lineno, "function-length", detail)


def argument_count(source: Source) -> Iterator[Finding]:
    """Name a function of more than 5 arguments, self and cls not counted."""
    for node in _functions(source):
        arguments = node.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        count = len([argument for argument in named if argument.arg not in ("self", "cls")])
        count += (arguments.vararg is not None) + (arguments.kwarg is not None)
        if count > ARGUMENTS_MAX:
            yield source.finding(
                node.lineno, "argument-count", f"{node.name}: {count}, {ARGUMENTS_MAX} allowed"
            )


def column_count(source: Source) -> Iterator[Finding]:
    """Name a line of code of more than 100 columns."""
    if source.is_code:
        for number, line in enumerate(source.lines, start=1):
            if len(line) > COLUMNS_MAX:
                yield source.finding(number, "columns", f"{len(line)}, {COLUMNS_MAX} allowed")


def vague_name(source: Source) -> Iterator[Finding]:
    """Name a module or folder whose name says nothing."""
    if source.path.suffix in (".py", ".pyx", ".sol", ".c", ".h"):
        for part in (*source.path.parts[:-1], source.path.stem):
            vague = VAGUE_WORDS.intersection(re.split(r"[_.-]", part.lower()))
            if vague:
                yield source.finding(1, "vague-name", f"{part}: say what is in it")


def money_is_whole(source: Source) -> Iterator[Finding]:
    """Name a float or a true division where money is counted."""
    if not source.is_under(*MONEY_PLACES):
        return
    if STATISTICAL_WORDS.intersection(source.path.stem.split("_")):
        return
    for node in source.nodes:
        match node:
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield source.finding(node.lineno, "money", "/ : use mul_div with a rounding")
            case ast.Constant(value=float()) | ast.Name(id="float"):
                yield source.finding(node.lineno, "money", "float: use whole base units")
    if source.path.suffix in (".pyx", ".pxd"):
        yield from _kernel_is_whole(source)


def celery_is_a_doorbell(source: Source) -> Iterator[Finding]:
    """Name a Celery feature that would make the broker hold truth."""
    if not source.is_under("relayer"):
        return
    imports_celery = any("celery" in name for _, name in _imports(source))
    for line, name in _imports(source):
        module, _, last = name.rpartition(".")
        if (module == "celery" and last in CELERY_NAMES) or _starts_with(name, CELERY_MODULES):
            yield source.finding(line, "celery", f"{name}: work is claimed from tables")
    for node in source.nodes:
        match node:
            case ast.keyword(arg=str(name)) if name in CELERY_KEYWORDS and (
                imports_celery or name in ("countdown", "eta")
            ):
                yield source.finding(node.lineno, "celery", f"{name}=: store a due time instead")
            case ast.Attribute(attr="retry" | "s" | "si" | "apply" as name) if imports_celery:
                yield source.finding(node.lineno, "celery", f".{name}: store a due time instead")
            case ast.Call(func=ast.Name(id="Celery"), keywords=keywords):
                for keyword in keywords:
                    if keyword.arg == "backend":
                        yield source.finding(node.lineno, "celery", "backend=: results are rows")


def tests_do_not_sleep(source: Source) -> Iterator[Finding]:
    """Name a sleeping test; wait for the event itself, with a deadline."""
    if not source.is_under("tests"):
        return
    for line, name in _imports(source):
        if name == "time.sleep":
            yield source.finding(line, "sleep", "wait for the event, with a deadline")
    for node in source.nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="time"), attr="sleep"):
                yield source.finding(node.lineno, "sleep", "wait for the event, with a deadline")


def no_machine_path(source: Source) -> Iterator[Finding]:
    """Name an absolute path that exists on one machine only, or a registry in a lock file."""
    for number, line in enumerate(source.lines, start=1):
        found = MACHINE_PATH.search(line)
        if found:
            yield source.finding(number, "machine-path", found.group(1))
        is_pin = source.path.name.endswith(("lock.json", ".lock")) and not line.startswith("#")
        if is_pin and REGISTRY.search(line):
            yield source.finding(number, "registry", "a lock file names versions and hashes")


def package_file_is_a_docstring(source: Source) -> Iterator[Finding]:
    """Name an __init__.py with anything but a docstring."""
    if source.path.name == "__init__.py":
        body = ast.parse(source.text).body
        match body:
            case [ast.Expr(value=ast.Constant(value=str()))]:
                return
            case _:
                yield source.finding(1, "package-file", "one docstring, nothing else")


def migration_stands_alone(source: Source) -> Iterator[Finding]:
    """Name a migration that imports what may change under it."""
    if source.is_under("relayer/store/migrations/versions"):
        for line, name in _imports(source):
            if _starts_with(name, frozenset({"relayer", "chains"})):
                yield source.finding(line, "migration", f"{name}: a migration imports none of ours")
        if source.is_python and not re.fullmatch(r"\d{4}_[a-z0-9_]+", source.path.stem):
            yield source.finding(1, "migration", "name it NNNN_what.py")


def test_mirrors_source(source: Source, existing: frozenset[PurePosixPath]) -> Iterator[Finding]:
    """
    Name a test file under tests/relayer or tests/chains without the source it mirrors.

    One that would grow beyond 400 lines is split: test_ledger_guards.py is for ledger.py.

    Args:
        existing: every file and folder of the tree.
    """
    if source.is_under("tests/relayer", "tests/chains") and source.path.name.startswith("test_"):
        folder = PurePosixPath(*source.path.parts[1:-1])
        words = source.path.stem.removeprefix("test_").split("_")
        stems = ["_".join(words[: count + 1]) for count in range(len(words))]
        names = [f"{mark}{stem}{end}" for stem in stems for mark in ("", "_") for end in ENDINGS]
        if not any(folder / name in existing for name in names):
            yield source.finding(1, "mirror", f"there is no {folder / stems[-1]}.py")


def stray_top_level(names: frozenset[str]) -> frozenset[str]:
    """Return the names at the top of the tree that DESIGN.md 8 does not know."""
    return frozenset(name for name in names - TOP_LEVEL if not name.startswith("."))


RULES: Final[tuple[Rule, ...]] = (
    file_length,
    function_length,
    argument_count,
    column_count,
    vague_name,
    money_is_whole,
    celery_is_a_doorbell,
    tests_do_not_sleep,
    no_machine_path,
    package_file_is_a_docstring,
    migration_stands_alone,
)


def findings_of(source: Source) -> list[Finding]:
    """Return what breaks the rules in one file."""
    return [finding for rule in RULES for finding in rule(source)]


def _functions(source: Source) -> Iterator[AnyFunction]:
    return (node for node in source.nodes if isinstance(node, AnyFunction))


def _imports(source: Source) -> Iterator[tuple[int, str]]:
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _starts_with(name: str, packages: frozenset[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _kernel_is_whole(source: Source) -> Iterator[Finding]:
    kept = (tokenize.NAME, tokenize.OP, tokenize.NUMBER)
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type in kept and INEXACT_TOKEN.fullmatch(token.string):
            yield source.finding(token.start[0], "money", f"{token.string} in an exact kernel")
