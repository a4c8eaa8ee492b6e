"""Processes of a test: forked from a server that has loaded what they need."""

import multiprocessing
from typing import Final

# The server starts with the first process and forks all of them: what it has loaded is not read by
# each again, which takes two seconds of a processor.
FORKED: Final = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    [
        "psycopg",
        "sqlalchemy.dialects.postgresql.psycopg",
        "relayer.wiring",
        "relayer.steps.relay",
        "tests.relayer.steps.world",
    ]
)
