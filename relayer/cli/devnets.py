"""Commands that run a local chain until they are told to stop."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from relayer.cli.answer import DONE, JsonOption
from relayer.cli.option_groups import takes
from relayer.cli.processes import exit_with

if TYPE_CHECKING:
    from chains.devnet.solana.net import SolanaDevnet

NAME_WIDTH: Final = 12

app = typer.Typer(
    help="Run a local chain, on loopback only.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def devnet() -> None:
    """Run a local chain, on loopback only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolanaDevnetOptions:
    """How a local Solana cluster runs."""

    port: Annotated[
        int, typer.Option("--port", min=0, max=65_534, help="The websocket's is the next; 0: free.")
    ] = 8899
    slot_ms: Annotated[
        int, typer.Option("--slot-ms", min=1, max=3_600_000, help="How long a slot lasts.")
    ] = 400
    confirmed_lag_slots: Annotated[
        int, typer.Option("--confirmed-lag-slots", min=1, help="Slots until confirmed.")
    ] = 1
    finalized_lag_slots: Annotated[
        int, typer.Option("--finalized-lag-slots", min=1, help="Slots until final.")
    ] = 31
    skipped_bps: Annotated[
        int, typer.Option("--skipped-bps", min=0, max=9_999, help="Slots of 10,000 without block.")
    ] = 0
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=2**63, help="The same seed, the same genesis.")
    ] = 0
    has_vault: Annotated[
        bool, typer.Option("--vault", help="Put a vault there, and people with SOL and USDC.")
    ] = False
    as_json: JsonOption = False


@app.command()
@takes("options", SolanaDevnetOptions)
def solana(*, options: SolanaDevnetOptions) -> None:
    """Run a Solana cluster of one node in memory; the first line says where."""
    exit_with(lambda: _run(options), as_json=options.as_json)


def _run(options: SolanaDevnetOptions) -> int:
    import time

    from chains.devnet.rpc import DevnetError
    from chains.devnet.serving import Ending, announce
    from chains.devnet.solana.net import solana_devnet

    try:
        net = solana_devnet(
            port=options.port,
            slot_ms=options.slot_ms,
            confirmed_lag_slots=options.confirmed_lag_slots,
            finalized_lag_slots=options.finalized_lag_slots,
            skipped_bps=options.skipped_bps,
            seed=options.seed,
            genesis_seconds=int(time.time()),
        )
    except ValueError as exc:
        raise DevnetError(str(exc)) from exc
    ending = Ending()
    with net:
        standing = _standing(net) if options.has_vault else {}
        if options.as_json:
            announce(_announcement(net) | standing)
        elif options.has_vault:
            named = {"url": net.url, "chain_id": net.chain_id, **standing}
            lines = (f"{name:<{NAME_WIDTH}}{text}" for name, text in named.items())
            print(*lines, sep="\n", flush=True)
        else:
            print(net.url, flush=True)
        ending.wait()
    return DONE


def _standing(net: "SolanaDevnet") -> dict[str, str]:
    """Deploy the standard layout over RPC, and return what stands there."""
    from contextlib import closing

    from chains.devnet.solana_deploy import SolanaDevChain
    from chains.devnet.solana_kit import deploy_solana

    with closing(SolanaDevChain(net.url)) as chain:
        return deploy_solana(chain).spelled()


def _announcement(net: "SolanaDevnet") -> dict[str, Any]:
    import os

    return {
        "url": net.url,
        "ws_url": net.ws_url,
        "chain_id": net.chain_id,
        "faucet": str(net.options.faucet.pubkey()),
        "pid": os.getpid(),
    }
