"""Child processes: noticed when they end, ended with their owner."""

from pathlib import Path

import pytest

from relayer.cli.demo.processes import ProcessEndedError, Processes
from tests.devnet.story import processes_naming

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


def test_a_process_that_ends_by_itself_is_noticed_with_the_end_of_its_log(tmp_path: Path) -> None:
    """A command that fails at once: the error names it and holds what it printed."""
    missing = tmp_path / "missing.toml"

    with Processes(tmp_path) as processes:
        processes.start("api", ["api", "--config", str(missing)])
        with pytest.raises(ProcessEndedError, match=r"api ended with status 2:(.|\n)*missing"):
            processes.wait_until_up(["http://127.0.0.1:9/readyz"])


def test_no_process_is_left_after_the_block(tmp_path: Path) -> None:
    """A process that would run on is ended when its owner leaves."""
    missing = str(tmp_path / "missing.toml")

    with Processes(tmp_path) as processes:
        processes.start("api", ["api", "--config", missing])

    assert processes_naming(missing) == []
