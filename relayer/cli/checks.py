"""What a doctor's check finds: one line, a code that never changes, and a remedy."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from relayer.cli.answer import failure_of

CHECK_SECONDS_MAX: Final = 15


class CheckState(Enum):
    """OK. WARNING: works, look at it. BROKEN: act. SKIPPED: an earlier check must be OK first."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"
    SKIPPED = "skipped"


REMEDIES: Final[dict[str, str]] = {
    "config": "correct each line, then: relayer config check",
    "database.reachable": "start the database, or correct database_url",
    "database.schema": "run: relayer db upgrade --yes",
    "database.append_only": "a trigger was dropped: restore it from the migration, then run: "
    "relayer ledger verify",
    "broker.reachable": "start the broker, or correct broker_url; work goes on through the sweeper",
    "chain.nodes": "list several independent nodes in rpc_urls of the chain, and heal those that "
    "do not answer",
    "chain.quorum": "heal the nodes that are named, or replace them in rpc_urls; the chain stands "
    "still until enough agree, and the quorum is never lowered for that",
    "chain.node": "start the nodes, or correct rpc_urls of the chain",
    "chain.identity": "point rpc_urls at nodes of the right chain",
    "chain.genesis": "the nodes serve another chain than the one in the database: correct rpc_urls",
    "chain.finality": "use a node that knows the finalized tag",
    "chain.head": "the node does not follow its chain: check its peers and its disk",
    "chain.clock": "set this machine's clock (NTP); deadlines and price ages depend on it",
    "chain.halted": "heal the reason, then: relayer chain resume CHAIN --reason ... --yes",
    "vault.answers": "correct the vault's address, or the token's, in the settings",
    "credit_line.answers": "correct the credit line's address in the settings",
    "contract.guardians": "set guardians.* to what the contract holds, or rotate its set",
    "feed.answers": "correct the feed's address in the settings",
    "node.health": "heal the node: it does not follow its cluster; or replace it in rpc_urls",
    "node.history": "use a node that keeps blocks from there on; where the vault was made later, "
    "set start_height of the chain to that slot",
    "chain.websocket": "correct websocket_url of the chain, or leave it out and rely on polls",
    "vault.program": "correct vaults.address or vaults.program of the chain",
    "vault.lane": "correct hub or vaults.address, or make a vault for this hub and chain",
    "vault.sealed": "let the initializer list the tokens and seal the vault",
    "vault.exit": "let any message reach the vault, such as an unlock of one unit by an account of "
    "the operator: the exit delay begins again with it",
    "vault.mints": "ask again; the accounts of the vault could not be read",
    "vault.mint": "list the token at the vault, or correct its address or the asset's scale",
    "program.final": "let its authority give it up: solana program set-upgrade-authority --final",
    "price.usable": "wait for the feeds' next round, or configure more of them",
    "sender.key": "put the sending key, 32 bytes of hex, in a file with mode 0600",
    "sender.chain": "check the node, and that the key's address is the right one",
    "sender.funds": "send the chain's own coin to the sending key's address, on this chain",
    "guardian.key": "put the guardian's key, 32 bytes of hex, in a file with mode 0600",
    "guardian.reachable": "start the guardian, or correct its url in guardians.members",
    "guardian.identity": "the url leads to another guardian: correct url or address in "
    "guardians.members",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. subject says about what (a chain, a contract, a file), detail what was found."""

    code: str
    subject: str
    state: CheckState
    detail: str

    @property
    def remedy(self) -> str:
        """What to do when it is not OK."""
        return "" if self.state is CheckState.OK else REMEDIES[self.code]


class WarningError(Exception):
    """Raised by a probe: it works, but somebody should look at it."""


class BrokenError(Exception):
    """Raised by a probe: found something that must be put right."""


def skipped(code: str, subject: str, because: str) -> Check:
    """Return a check that had no use, as another one failed."""
    return Check(code, subject, CheckState.SKIPPED, because)


def attempt(code: str, subject: str, probe: Callable[[], str]) -> Check:
    """Run one probe; whatever it raises becomes its finding and stops no other."""
    try:
        return Check(code, subject, CheckState.OK, probe())
    except Exception as exc:  # noqa: BLE001 - isolation is the purpose
        return broken(code, subject, exc)


async def attempt_async(code: str, subject: str, probe: Callable[[], Awaitable[str]]) -> Check:
    """Run one probe that waits, for at most CHECK_SECONDS_MAX."""
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            return Check(code, subject, CheckState.OK, await probe())
    except TimeoutError:
        detail = f"no answer within {CHECK_SECONDS_MAX} seconds"
        return Check(code, subject, CheckState.BROKEN, detail)
    except Exception as exc:  # noqa: BLE001 - isolation is the purpose
        return broken(code, subject, exc)


def broken(code: str, subject: str, error: Exception) -> Check:
    """Return what an error means as a finding; nothing in it is secret."""
    match error:
        case WarningError():
            return Check(code, subject, CheckState.WARNING, str(error))
        case BrokenError():
            return Check(code, subject, CheckState.BROKEN, str(error))
        case _:
            return Check(code, subject, CheckState.BROKEN, "; ".join(failure_of(error).details))
