"""What integrators read: the description is the committed one, and the guide's program runs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi.testclient import TestClient
from solders.keypair import Keypair

from chains.command import COMMAND_TYPES
from chains.devnet.wallet_vectors import WALLETS_PATH
from relayer.api.app import routed_app
from relayer.api.describe import openapi_text
from relayer.api.envelope import MESSAGE_TYPES
from relayer.steps.command_terms import SIGNATURES
from tests.databases import TestDatabases
from tests.relayer.api.process import served

DOCS: Final = Path(__file__).parents[3] / "docs"
GUIDE: Final = DOCS / "integrators.md"
PROGRAMS: Final = re.compile(r"```python\n(.*?)```", re.DOTALL)
WALLETS: Final = json.loads(WALLETS_PATH.read_text(encoding="utf-8"))
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
    program = PROGRAMS.findall(guide)[0]

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


@pytest.mark.parametrize("vector", WALLETS["commands"], ids=lambda vector: vector["name"])
def test_the_guide_says_how_a_solana_wallet_signs(vector: dict[str, Any]) -> None:
    """Its second program makes text and signature of the vectors; the text in it is one of them."""
    guide = GUIDE.read_text()
    names: dict[str, Any] = {}
    exec(PROGRAMS.findall(guide)[1], names)  # noqa: S102  # the guide is ours
    kind = vector["type"].partition("(")[0]
    order = [member for _, member in COMMAND_TYPES[kind].members()]
    fields = {name: vector["fields"][name] for name in map(_snake, order)}

    text = names["wallet_text"](WALLETS["hub"], kind, fields, vector["digest"])

    keypair = Keypair.from_seed(bytes.fromhex(WALLETS["seed"][2:]))
    assert text.decode() == vector["text"]
    assert names["wallet_signature"](keypair, text) == vector["signature"]
    if vector["name"] == "open_account":
        assert "\n".join(f"    {line}" for line in vector["text"].split("\n")) in guide


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)


def test_the_guide_names_every_type_and_its_struct() -> None:
    """As the code has them."""
    guide = GUIDE.read_text()

    for message_type in MESSAGE_TYPES:
        assert f"| `{message_type}` |" in guide
    for command_type in SIGNATURES:
        assert f"`{command_type.TYPE}`" in guide
