"""What integrators read: the description is the committed one, and the guide's program runs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from fastapi.testclient import TestClient

from relayer.api.app import routed_app
from relayer.api.describe import openapi_text
from relayer.api.envelope import MESSAGE_TYPES
from relayer.steps.command_terms import SIGNATURES
from tests.databases import TestDatabases
from tests.relayer.api.process import served

DOCS: Final = Path(__file__).parents[3] / "docs"
GUIDE: Final = DOCS / "integrators.md"
SNAPSHOT: Final = DOCS / "openapi.json"
REMEDY: Final = "run: python -m relayer.api.describe > docs/openapi.json"
PROGRAM_SECONDS_MAX: Final = 90


def test_the_description_is_the_committed_one() -> None:
    """A change of the API shows in docs/openapi.json."""
    assert openapi_text(routed_app()) == SNAPSHOT.read_text(), REMEDY


def test_the_description_is_served(client: TestClient) -> None:
    """OpenAPI 3.1, every path, problems for every operation."""
    served = client.get("/openapi.json").json()

    assert served == json.loads(SNAPSHOT.read_text())
    assert served["openapi"].startswith("3.1")
    for path in served["paths"].values():
        for operation in path.values():
            assert "default" in operation["responses"]
            assert "422" not in operation["responses"]


@pytest.mark.slow
def test_the_program_of_the_guide_runs(databases: TestDatabases) -> None:
    """Against a served API, with a wallet library instead of our own signing."""
    guide = GUIDE.read_text()
    (program,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)

    with served(databases.migrated_url("sqlite")) as api:
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
