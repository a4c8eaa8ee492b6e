"""Tests of the command that makes a lookup table."""

import asyncio
import json
from pathlib import Path

import pytest
import typer

from chains.devnet.solana_actors import SOLANA_RELAYER
from chains.solana.accounts import NodeAccounts
from chains.solana.sender import SolanaSender
from relayer.cli.lookup_table import make_table, table
from tests.relayer.steps.expiring_world import running_kit
from tests.relayer.test_settings import EXAMPLE

SOLANA = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"


def test_a_table_is_made_empty_and_can_be_read() -> None:
    """It is the sending key's, at the place that the command names."""
    with running_kit() as kit:

        async def made() -> tuple[bytes, ...]:
            sender = SolanaSender(kit.net.chain_id, kit.net.url, key=SOLANA_RELAYER.keypair)
            accounts = NodeAccounts(kit.net.chain_id, kit.net.url)
            kit.net.faults.rules.append(lambda *_: _moved())
            try:
                key = await make_table(sender, kit.net.slot - 2)
                return (await accounts.lookup_table(key)).entries
            finally:
                await sender.close()
                await accounts.close()

        def _moved() -> None:
            kit.net.advance()

        assert asyncio.run(made()) == ()


@pytest.mark.parametrize(
    ("chain_id", "yes", "code"),
    [("eip155:1", True, "no_lookup_tables"), (SOLANA, False, "not_confirmed")],
)
def test_nothing_is_made_elsewhere_or_unasked(
    chain_id: str, yes: bool, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only on Solana, and only with --yes."""
    with pytest.raises(typer.Exit):
        table(chain_id, config=Path(EXAMPLE), yes=yes, as_json=True)

    assert json.loads(capsys.readouterr().out or "{}")["error"]["code"] == code
