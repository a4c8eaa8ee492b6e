"""The tree is tidy; and each rule names a sample that breaks it and passes one that does not."""

import subprocess
from pathlib import Path, PurePosixPath

import pytest

from tests.style import tidy
from tests.style.source import ROOT, Source, sources

HOME = "/" + "home" + "/somebody/state"
LONG_FUNCTION = "def walk():\n" + "    step()\n" * 60
DOCUMENTED_FUNCTION = 'def walk():\n    """\n' + "    Why.\n" * 70 + '    """\n' + "    go()\n" * 59

BROKEN = [
    ("file-length", "relayer/steps/observe.py", "x = 1\n" * 401),
    ("function-length", "relayer/steps/observe.py", LONG_FUNCTION),
    ("argument-count", "chains/port.py", "def send(a, b, c, *, d, e, f): ..."),
    ("argument-count", "chains/port.py", "class A:\n    def send(self, a, b, c, d, *e, **f): ..."),
    ("columns", "contracts/evm/src/Vault.sol", "// " + "x" * 98),
    ("vague-name", "relayer/utils.py", ""),
    ("vague-name", "chains/evm/log_helpers.py", ""),
    ("vague-name", "relayer/common/words.py", ""),
    ("vague-name", "relayer/store/lease_manager.py", ""),
    ("money", "relayer/money.py", "fee = units / 3"),
    ("money", "relayer/ledger/balances.py", "units /= 2"),
    ("money", "relayer/risk/margin.py", "weight = 0.8"),
    ("money", "relayer/outbox/message.py", "def f(amount: float) -> int: ..."),
    ("money", "relayer/liquidation/sizing.py", "seized = float(units)"),
    ("money", "relayer/risk/_health_kernel.pyx", "cdef double weight"),
    ("money", "relayer/risk/_health_kernel.pyx", "value = left / right"),
    ("money", "relayer/risk/_health_kernel.pyx", "value = 1.05"),
    ("money", "relayer/risk/_health_kernel.pyx", "value = 1e9"),
    ("celery", "relayer/worker/tasks.py", "ring.apply_async((1,), countdown=3)"),
    ("celery", "relayer/steps/relay.py", "ring.apply_async((1,), eta=soon)"),
    ("celery", "relayer/worker/tasks.py", "from celery import chain"),
    ("celery", "relayer/worker/tasks.py", "from celery.result import AsyncResult"),
    ("celery", "relayer/worker/tasks.py", "import celery\ndef f(self):\n    raise self.retry()"),
    ("celery", "relayer/worker/app.py", "from celery import Celery\na = Celery('a', backend='b')"),
    ("celery", "relayer/worker/app.py", "import celery\n@a.task(autoretry_for=(E,))\ndef f(): ..."),
    ("sleep", "tests/devnet/test_story.py", "import time\ntime.sleep(1)"),
    ("sleep", "tests/devnet/test_story.py", "from time import sleep"),
    ("machine-path", "deploy/env.example", f"STATE={HOME}"),
    ("registry", "contracts/evm/package-lock.json", '"resolved": "https://registry.example/a.tgz"'),
    ("registry", "deploy/requirements.lock", "--index-url https://registry.example/simple"),
    ("package-file", "relayer/risk/__init__.py", '"""Risk."""\nfrom relayer.money import BPS'),
    ("package-file", "relayer/risk/__init__.py", ""),
    ("migration", "relayer/store/migrations/versions/0003_x.py", "from relayer.money import BPS"),
    ("migration", "relayer/store/migrations/versions/ab12_x.py", ""),
]

TIDY = [
    ("relayer/steps/observe.py", "x = 1\n" * 400),
    ("relayer/steps/observe.py", DOCUMENTED_FUNCTION),
    ("chains/port.py", "class A:\n    def send(self, a, b, c, d, e): ..."),
    ("chains/evm/src.py", "# " + "x" * 98),
    ("relayer/store/database.py", ""),
    ("relayer/money.py", "quotient, rest = divmod(left, right); half = units // 2"),
    ("relayer/risk/covariance.py", "spread = 0.5 / 3"),
    ("relayer/risk/_covariance_kernel.pyx", "cdef double spread"),
    ("relayer/risk/_health_kernel.pyx", "weighted += <int128>value[0] // 0xE2  # a / b, 0.5"),
    ("relayer/risk/_health_kernel.pyx", "cdef long rows = value.shape[0]"),
    ("relayer/api/metrics.py", "age_seconds_estimate = 0.5 / 3"),
    ("relayer/worker/tasks.py", "import celery\n@app.task(acks_late=True)\ndef ring(): ..."),
    ("relayer/store/jobs.py", "def retry(): ...\npolicy.retry()"),
    ("tests/devnet/test_story.py", "is_done.wait(timeout=5)"),
    ("deploy/env.example", "STATE=/var/lib/relayer"),
    ("deploy/requirements.lock", "# made with --index-url somewhere\nrich==15.0.0"),
    ("relayer/risk/__init__.py", '"""Risk."""'),
    ("relayer/store/migrations/versions/0003_feed.py", "import sqlalchemy"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN)
def test_a_sample_that_breaks_a_rule_is_named(rule: str, path: str, text: str) -> None:
    """Each rule finds what it is for."""
    source = Source(PurePosixPath(path), text)

    findings = tidy.findings_of(source)

    assert rule in {finding.rule for finding in findings}


@pytest.mark.parametrize(("path", "text"), TIDY)
def test_a_tidy_sample_is_left_alone(path: str, text: str) -> None:
    """No rule names what is right."""
    source = Source(PurePosixPath(path), text)

    findings = tidy.findings_of(source)

    assert findings == []


def test_a_test_without_its_source_is_named() -> None:
    """A test file mirrors a source file or folder."""
    existing = frozenset({PurePosixPath("relayer/risk/margin.py"), PurePosixPath("relayer/store")})
    mirrored = Source(PurePosixPath("tests/relayer/risk/test_margin.py"), "")
    split = Source(PurePosixPath("tests/relayer/risk/test_margin_limits.py"), "")
    stray = Source(PurePosixPath("tests/relayer/risk/test_marging.py"), "")

    assert list(tidy.test_mirrors_source(mirrored, existing)) == []
    assert list(tidy.test_mirrors_source(split, existing)) == []
    assert [found.rule for found in tidy.test_mirrors_source(stray, existing)] == ["mirror"]


def test_a_stray_name_at_the_top_is_named() -> None:
    """Only what DESIGN.md 8 lists, dot-files and setup.py stand at the top."""
    names = frozenset({"relayer", "README.md", ".gitignore", "scripts"})

    assert tidy.stray_top_level(names) == {"scripts"}


def test_the_tree_is_tidy() -> None:
    """No file of the tree breaks a rule."""
    findings = [finding for source in sources() for finding in tidy.findings_of(source)]

    assert not findings, "\n" + "\n".join(map(str, findings))


def test_every_test_mirrors_a_source() -> None:
    """tests/x/y/test_z.py is for x/y/z.py."""
    existing = frozenset(
        PurePosixPath(path.relative_to(ROOT).as_posix())
        for top in ("relayer", "chains")
        for path in (ROOT / top).rglob("*")
    )
    findings = [
        finding for source in sources() for finding in tidy.test_mirrors_source(source, existing)
    ]

    assert not findings, "\n" + "\n".join(map(str, findings))


def test_the_top_of_the_tree_is_as_designed() -> None:
    """Nothing else stands at the top of the tree, ignored files left out."""
    names = frozenset(path.name for path in ROOT.iterdir()) - _ignored(ROOT)

    assert tidy.stray_top_level(names) == frozenset()


def test_every_decision_is_in_the_index() -> None:
    """docs/decisions/README.md links each record."""
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    records = sorted(path.name for path in folder.glob("[0-9][0-9][0-9][0-9]-*.md"))

    assert [name for name in records if f"({name})" not in index] == []


def _ignored(root: Path) -> frozenset[str]:
    """Return the names at the top that git ignores; without git, what a build leaves behind."""
    if not (root / ".git").exists():
        built = [path.name for path in root.glob("*.egg-info")]
        return frozenset({"build", "dist", *built})
    answer = subprocess.run(
        ["git", "check-ignore", *(path.name for path in root.iterdir())],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return frozenset(answer.stdout.split())
