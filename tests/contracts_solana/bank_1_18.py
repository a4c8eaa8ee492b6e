"""
Runs a scenario in a bank of Solana 1.18, which deploys programs by the strict rules of a cluster.

The bank is in another release of solders, so this runs in an environment of its own and imports
nothing else. Scenario on standard input, effects on standard output, both JSON; scenario.py has
their shape.
"""

import asyncio
import json
import os
import re
import sys
from typing import Any

from solders import bankrun  # type: ignore[attr-defined]  # not in the project's release
from solders.account import Account
from solders.clock import Clock
from solders.pubkey import Pubkey
from solders.transaction import TransactionError

from tests.contracts_solana.transactions import transaction_of

CUSTOM_ERROR = re.compile(r"custom program error: 0x([0-9a-f]+)")
UNITS_MAX = 1_400_000


async def run(scenario: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the effect of each step."""
    accounts = [
        (
            Pubkey.from_string(each["key"]),
            Account(each["lamports"], bytes.fromhex(each["content"]),
                    Pubkey.from_string(each["owner"]), False, 0),
        )
        for each in scenario["accounts"]
    ]  # fmt: skip
    context = await bankrun.start(accounts=accounts, compute_max_units=UNITS_MAX)
    client, effects = context.banks_client, []
    for step in scenario["steps"]:
        if step["slot"] is not None:
            context.warp_to_slot(step["slot"])
        clock = await client.get_clock()
        context.set_clock(
            Clock(clock.slot, clock.epoch_start_timestamp, clock.epoch,
                  clock.leader_schedule_epoch, step["now"])
        )  # fmt: skip
        blockhash, _ = await client.get_latest_blockhash()
        transaction = transaction_of(step, blockhash)
        trial = await client.simulate_transaction(transaction)
        error = ""
        try:
            await client.process_transaction(transaction)
        except (bankrun.BanksClientError, TransactionError) as exc:
            error = str(exc)
        effects.append(
            {
                "error": error,
                "code": code_of(error),
                "units": trial.meta.compute_units_consumed if trial.meta else 0,
                "accounts": [await state_of(client, key) for key in scenario["watched"]],
            }
        )
    return effects


def code_of(error: str) -> int | None:
    """Return the number of a program's error, None where there is none."""
    found = CUSTOM_ERROR.search(error)
    return int(found[1], 16) if found else None


async def state_of(client: Any, key: str) -> list[Any]:
    """Return owner and content of an account; empty where there is none."""
    found = await client.get_account(Pubkey.from_string(key))
    return [] if found is None else [str(found.owner), bytes(found.data).hex()]


if __name__ == "__main__":
    json.dump(asyncio.run(run(json.load(sys.stdin))), sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # the bank's own threads do not survive the end of the interpreter
