"""The commands of docs/packs.md do what the page says."""

import gzip
import re
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from chains.devnet.packs import PackHeader, read_pack, write_pack
from chains.types import ChainId

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/packs.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^python -m (chains\S+ .*)$", PAGE, flags=re.MULTILINE)
STOP_SECONDS_MAX = 20


def test_the_page_has_commands() -> None:
    """The pattern below finds them."""
    assert len(COMMANDS) == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_starts_tells_where_it_is_and_ends(command: str, tmp_path: Path) -> None:
    """Ports and files are those of the test, everything else stands as on the page."""
    mine = tmp_path / "mine.pack"
    if "replay" in command:
        write_pack(mine, PackHeader(ChainId("eip155:1"), ("main",), "by a test"), [])
    words = command.replace("8545", "0").replace("mine.pack", str(mine)).split()
    started = [sys.executable, "-m", *words]
    with subprocess.Popen(started, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        told = orjson.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_SECONDS_MAX)

    assert any(str(value).startswith("http://127.0.0.1:") for value in told.values())
    assert code == 0


def test_the_example_of_the_format_is_a_pack(tmp_path: Path) -> None:
    """Line by line as printed."""
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    path = tmp_path / "printed.pack"
    path.write_bytes(gzip.compress(example.encode()))

    pack = read_pack(path)

    assert [exchange.method for exchange in pack.of("main")] == ["eth_chainId", "eth_blockNumber"]
