"""The integrators' guide: its program runs, and prints what the guide says."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from relayer.api.envelope import MESSAGE_TYPES
from relayer.steps.command_terms import SIGNATURES
from tests.databases import TestDatabases
from tests.relayer.api.process import served

GUIDE: Final = Path(__file__).parents[3] / "docs" / "integrators.md"
PROGRAM_SECONDS_MAX: Final = 90


@pytest.mark.slow
def test_the_program_of_the_guide_runs(api_databases: TestDatabases) -> None:
    """Against a served API, with a wallet library instead of our own signing."""
    guide = GUIDE.read_text()
    (program,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)

    with served(api_databases.migrated_url("sqlite")) as api:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "API": api.url},
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS_MAX,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        assert f"    {line}\n" in guide


def test_the_guide_names_every_type_and_its_struct() -> None:
    """As the code has them."""
    guide = GUIDE.read_text()

    for message_type in MESSAGE_TYPES:
        assert f"| `{message_type}` |" in guide
    for command_type in SIGNATURES:
        assert f"`{command_type.TYPE}`" in guide
