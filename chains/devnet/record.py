"""
Record what nodes answer into a pack (chains.devnet.packs), while something else asks them.

Run: python -m chains.devnet.record --chain-id eip155:31337 --node a=http://127.0.0.1:8545 out.pack

The first line of output is one JSON object: for each label the address to ask instead of the node.
The recording ends, and the pack is complete, with SIGTERM, SIGINT or the end of the parent.
"""

import argparse
import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from chains.devnet.packs import LABEL, PackHeader, PackWriter, secrets_of
from chains.devnet.proxy import FaultProxy, Layer
from chains.devnet.running import Running
from chains.devnet.serving import Ending, announce
from chains.types import chain_id_of

FILE_MARK: Final = "@"


class Recording(Running):
    """
    A proxy before each node, all writing one pack; a context manager.

    Args:
        nodes: the address of each node by its label.
        layers: what lies before a node, by label: the pack holds what was said, lies included.
    """

    def __init__(
        self,
        path: Path,
        header: PackHeader,
        nodes: Mapping[str, str],
        *,
        layers: Mapping[str, Sequence[Layer]] | None = None,
    ) -> None:
        secrets = [secret for url in nodes.values() for secret in secrets_of(url)]
        self.writer = PackWriter(path, header, secrets=secrets)
        self.proxies = {
            label: FaultProxy(
                url,
                layers=(layers or {}).get(label, ()),
                witness=self.writer.provider(label),
            )
            for label, url in nodes.items()
        }
        self._running = contextlib.ExitStack()

    def start(self) -> None:
        """Open the pack and listen before each node."""
        self._running.enter_context(self.writer)
        for proxy in self.proxies.values():
            self._running.enter_context(proxy)

    def stop(self) -> None:
        """Stop listening, and complete the pack."""
        self._running.close()

    @property
    def urls(self) -> dict[str, str]:
        """Where to ask instead of each node."""
        return {label: proxy.rpc_url for label, proxy in self.proxies.items()}


def node_of(text: str) -> tuple[str, str]:
    """
    Parse LABEL=URL, or LABEL=@FILE for a URL that holds a key and so stands in a file.

    Raises:
        ArgumentTypeError: not of this form, or the file cannot be read.
    """
    label, _, url = text.partition("=")
    if not LABEL.fullmatch(label) or not url:
        raise argparse.ArgumentTypeError("write a node like main=http://127.0.0.1:8545")
    if url.startswith(FILE_MARK):
        path = Path(url.removeprefix(FILE_MARK))
        try:
            url = path.read_text(encoding="utf-8").strip()
        except OSError as exc:
            raise argparse.ArgumentTypeError(f"the file of node {label}: {exc.strerror}") from exc
    if not url.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"the address of node {label} is not http or https")
    return label, url


def main(arguments: Sequence[str]) -> None:
    """Record until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m chains.devnet.record",
        description="Stand before nodes, on loopback only, and write down what they answer.",
    )
    parser.add_argument("pack", type=Path, help="the file to write")
    parser.add_argument("--chain-id", type=chain_id_of, required=True, help="like eip155:1")
    parser.add_argument(
        "--node", type=node_of, action="append", required=True, help="LABEL=URL or LABEL=@FILE"
    )
    parser.add_argument("--made", default="python -m chains.devnet.record", help="how, for people")
    options = parser.parse_args(arguments)
    nodes: dict[str, str] = dict(options.node)
    ending = Ending()
    header = PackHeader(options.chain_id, tuple(nodes), options.made)
    with Recording(options.pack, header, nodes) as recording:
        announce(recording.urls)
        ending.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
