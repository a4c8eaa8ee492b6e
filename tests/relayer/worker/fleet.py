"""Worker processes of one deployment, for the tests of what happens to them."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from relayer.settings import Settings
from tests.relayer.api.process import ROOT

LEASE_SECONDS: Final = 2
BELLS_ONLY_SECONDS: Final = 3_600.0


class Fleet:
    """Worker processes of one deployment, and a sweeper in the test's own process."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(
        self, broker_url: str = "", quiet_seconds: float = BELLS_ONLY_SECONDS
    ) -> "subprocess.Popen[bytes]":
        """Start a worker that does what is rung for; its log goes to a file."""
        number = len(self.processes)
        settings = self.settings
        with (self.folder / f"worker-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.relayer.worker.program"),
                    *(settings.database_url, broker_url or settings.broker_url),
                    *(settings.broker_prefix, str(LEASE_SECONDS), str(self.folder)),
                    str(quiet_seconds),
                ],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def log(self, number: int = 0) -> str:
        """Return what a worker wrote."""
        return (self.folder / f"worker-{number}.log").read_text()

    def overlaps(self) -> list[str]:
        """Return the jobs that two ran at once."""
        return [path.name for path in self.folder.glob("overlap-*")]

    def end(self) -> None:
        """End what still runs."""
        for process in self.processes:
            process.kill()
            process.wait()
