"""A guardian that is away while the others sign."""

from pathlib import Path

import pytest

from chains.devnet.anvil import find_anvil
from chains.devnet.rpc import DevnetError
from relayer.cli.demo.run import Script
from tests.devnet.story import Kills, play_quietly

pytestmark = [pytest.mark.devnet, pytest.mark.timeout(240)]


def test_a_guardian_that_misses_a_liquidation_catches_up(tmp_path: Path) -> None:
    """It is starting again while the others sign: it is shown the messages later, and is equal."""
    try:
        find_anvil()
    except DevnetError as exc:
        pytest.skip(str(exc))
    kills = Kills(at={"liquidate": ("guardian-2",)}, is_waiting=False)

    statement, _ = play_quietly(tmp_path, Script(hook=kills), is_fleet=False)

    assert [guardian["is_equal"] for guardian in statement.value["guardians"]] == [True] * 3
