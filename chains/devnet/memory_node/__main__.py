"""
Serve a chain in memory from a process of its own.

Run: python -m chains.devnet.memory_node --port 0 --blocks 100 --events 1000 --seed 1

The first line of output is one JSON object: url, chain_id, vault, token, account (of the first
lock-holder), blocks, events, pid. The process ends with SIGTERM, SIGINT, or its parent.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from chains.devnet.memory_node.chain import ChainOptions
from chains.devnet.memory_node.load import (
    LOAD_ACCOUNTS,
    LOAD_TOKEN,
    LOAD_VAULT,
    Load,
    loaded_chain,
)
from chains.devnet.memory_node.logs import word_text
from chains.devnet.memory_node.node import MemoryNode
from chains.devnet.serving import Ending, announce
from chains.types import text_of_word, word_of_text


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line; a wrong one ends the process with its name."""
    parser = argparse.ArgumentParser(
        prog="python -m chains.devnet.memory_node",
        description="Serve an EVM chain held in memory over JSON-RPC, on loopback only.",
    )
    parser.add_argument("--port", default=0, type=int, help="0 takes a free one")
    parser.add_argument("--chain-number", default=31337, type=int)
    parser.add_argument("--blocks", default=100, type=int, help="how many stand above the genesis")
    parser.add_argument("--events", default=1_000, type=int, help="locks, spread over the blocks")
    parser.add_argument("--seed", default=0, type=int, help="the same seed makes the same chain")
    parser.add_argument("--finalized-lag", default=64, type=int, help="final = newest minus this")
    parser.add_argument("--vault", type=word_of_text, default=LOAD_VAULT, help="0x-hex address")
    parser.add_argument("--token", type=word_of_text, default=LOAD_TOKEN, help="0x-hex address")
    parser.add_argument(
        "--account", type=word_of_text, action="append", help="an account to lock for; repeat it"
    )
    parser.add_argument("--no-transfers", action="store_true", help="leave the tokens' logs out")
    return parser.parse_args(arguments)


def node_of(options: argparse.Namespace) -> MemoryNode:
    """Return the node that the options describe, not started."""
    load = Load(
        blocks=options.blocks,
        events=options.events,
        seed=options.seed,
        vault=options.vault,
        token=options.token,
        accounts=tuple(options.account or LOAD_ACCOUNTS),
        has_transfers=not options.no_transfers,
    )
    chain_options = ChainOptions(options.chain_number, finalized_lag=options.finalized_lag)
    return MemoryNode(loaded_chain(load, chain_options), port=options.port)


def announcement(node: MemoryNode, options: argparse.Namespace) -> dict[str, Any]:
    """Return what a parent must know."""
    first = (options.account or LOAD_ACCOUNTS)[0]
    return {
        "url": node.rpc_url,
        "chain_id": node.chain_id,
        "vault": text_of_word(options.vault),
        "token": text_of_word(options.token),
        "account": word_text(first),
        "blocks": options.blocks,
        "events": options.events,
        "pid": os.getpid(),
    }


def main(arguments: Sequence[str]) -> None:
    """Serve until told to stop."""
    options = parsed(arguments)
    ending = Ending()
    with node_of(options) as node:
        announce(announcement(node, options))
        ending.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
