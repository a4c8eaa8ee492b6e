"""Local nodes start, stop, and never stay behind."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chains.devnet.anvil import PROJECT_ROOT, Anvil, AnvilOptions, free_port
from chains.devnet.deploy import DevChain
from chains.devnet.rpc import DevnetError
from chains.evm.wakeup import HeadWakeup

GONE_SECONDS_MAX = 10
ORPHAN_SCRIPT = """
import os, sys
from chains.devnet.anvil import Anvil, AnvilOptions
anvil = Anvil(AnvilOptions())
anvil.start()
print(anvil.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    except OSError:
        return False
    return state.split()[0] != "Z"


def assert_gone(pid: int) -> None:
    """Wait, bounded, until a process is gone."""
    deadline = time.monotonic() + GONE_SECONDS_MAX
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} stayed behind"


def test_a_node_answers_while_it_runs_and_is_gone_afterwards(anvil_binary: str) -> None:
    """Stop twice is fine."""
    with Anvil(AnvilOptions(chain_number=4242)) as anvil:
        pid = anvil.pid
        assert is_alive(pid)
        assert int(anvil.rpc.call("eth_chainId"), 16) == 4242
    anvil.stop()

    assert_gone(pid)
    with pytest.raises(DevnetError, match="not running"):
        _ = anvil.rpc


def test_a_killed_owner_leaves_no_node_behind(anvil_binary: str) -> None:
    """The guard notices that its owner's end of the pipe is closed."""
    owner = subprocess.run(
        [sys.executable, "-c", ORPHAN_SCRIPT],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert owner.returncode == -9
    assert_gone(int(owner.stdout))


def test_a_node_comes_back_on_its_port(anvil: Anvil) -> None:
    """A reader finds it again; without a state file the chain is new."""
    port, pid = anvil.port, anvil.pid
    anvil.kill()
    assert_gone(pid)

    anvil.start()

    assert anvil.port == port
    assert DevChain(anvil).head().height == 0


def test_a_state_file_survives_a_restart(anvil_binary: str, tmp_path: Path) -> None:
    """Same blocks, same hashes."""
    anvil = Anvil(AnvilOptions(state_path=tmp_path / "state.json"))
    with anvil:
        DevChain(anvil).mine(3)
        before = DevChain(anvil).head()
    with anvil:
        after = DevChain(anvil).head()

    assert after == before


def test_a_taken_port_is_an_error(anvil: Anvil) -> None:
    """A node of another chain is not taken for ours."""
    with pytest.raises(DevnetError):
        Anvil(AnvilOptions(chain_number=5, port=anvil.port)).start()


def test_starting_twice_is_an_error(anvil: Anvil) -> None:
    """One object, one node."""
    with pytest.raises(DevnetError, match="running already"):
        anvil.start()


def test_blocks_come_by_themselves_with_a_block_time(anvil_binary: str) -> None:
    """Four a second."""
    with Anvil(AnvilOptions(block_time_seconds=0.25, port=free_port())) as anvil:
        deadline = time.monotonic() + GONE_SECONDS_MAX
        while DevChain(anvil).head().height < 2:
            assert time.monotonic() < deadline


def test_a_new_head_wakes_and_a_restart_is_survived(anvil: Anvil) -> None:
    """The hint comes back by itself after the node did."""

    async def woken(wakeup: HeadWakeup) -> bool:
        deadline = time.monotonic() + GONE_SECONDS_MAX
        while time.monotonic() < deadline:
            await asyncio.to_thread(DevChain(anvil).mine)
            if await wakeup.wait(0.2):
                return True
        return False

    async def ask() -> None:
        wakeup = HeadWakeup(anvil.ws_url)
        listening = asyncio.create_task(wakeup.run())
        assert await woken(wakeup)
        await asyncio.to_thread(anvil.kill)
        await asyncio.to_thread(anvil.start)
        while await wakeup.wait(0.05):
            pass  # hints of before the restart
        assert await woken(wakeup)
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening

    asyncio.run(ask())
