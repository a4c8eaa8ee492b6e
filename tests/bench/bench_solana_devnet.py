"""Speed of the local Solana cluster: a payment sent over loopback, against the bare runtime."""

import http.client
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Final

from solders.account import Account
from solders.hash import Hash
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from chains.devnet.solana.codec import SYSTEM_PROGRAM
from chains.devnet.solana.net import solana_devnet
from tests.bench.report import best_seconds, register

PAYER: Final = Keypair.from_seed(bytes([1]) * 32)
SHOP: Final = Pubkey.from_bytes(bytes([9]) * 32)
FUNDS_LAMPORTS: Final = 10**15
RENT_LAMPORTS: Final = 10**6
ROUNDS: Final = 300
REPEATS: Final = 5
MILLISECONDS: Final = 1_000
CONFIG: Final = {"encoding": "base64", "preflightCommitment": "processed"}


def payments(recent: Hash) -> list[VersionedTransaction]:
    """Return payments that differ from each other, enough for all rounds."""
    return [
        VersionedTransaction(
            Message.new_with_blockhash(
                [
                    transfer(
                        TransferParams(
                            from_pubkey=PAYER.pubkey(),
                            to_pubkey=SHOP,
                            lamports=RENT_LAMPORTS + number,
                        )
                    )
                ],
                PAYER.pubkey(),
                recent,
            ),
            [PAYER],
        )
        for number in range(ROUNDS * REPEATS)
    ]


def milliseconds_each(rounds: Callable[[], None]) -> float:
    """Return what one send takes when nothing else disturbs it. [ms]"""
    return MILLISECONDS * best_seconds(rounds, repeats=REPEATS) / ROUNDS


def bare_milliseconds() -> float:
    """Return what the runtime alone takes to try a payment and to execute it. [ms]"""
    svm = LiteSVM().with_transaction_history(0).with_blockhash_check(False)
    svm.set_account(PAYER.pubkey(), Account(FUNDS_LAMPORTS, b"", SYSTEM_PROGRAM))
    waiting = iter(payments(Hash.default()))

    def rounds() -> None:
        for _ in range(ROUNDS):
            tx = next(waiting)
            svm.simulate_transaction(tx)
            svm.send_transaction(tx)

    return milliseconds_each(rounds)


def served_milliseconds() -> float:
    """Return what sendTransaction with preflight takes over one kept connection. [ms]"""
    with solana_devnet() as net:
        net.set_account(PAYER.pubkey(), Account(FUNDS_LAMPORTS, b"", SYSTEM_PROGRAM))
        net.advance()
        latest = net.ask("getLatestBlockhash", {"commitment": "processed"})["value"]
        recent = Hash.from_string(latest["blockhash"])
        waiting = iter([b64encode(bytes(tx)).decode() for tx in payments(recent)])
        connection = http.client.HTTPConnection("127.0.0.1", int(net.url.rsplit(":", 1)[1]))

        def rounds() -> None:
            for _ in range(ROUNDS):
                params = [next(waiting), CONFIG]
                body = {"jsonrpc": "2.0", "id": 1, "method": "sendTransaction", "params": params}
                connection.request("POST", "/", json.dumps(body))
                if b'"result"' not in connection.getresponse().read():
                    raise RuntimeError("a payment was refused")

        each = milliseconds_each(rounds)
        connection.close()
        if len(net.ledger.landed) != ROUNDS * REPEATS:
            raise RuntimeError("a payment did not land")
        return each


def bench_solana_devnet() -> None:
    """Compare a payment over loopback with the same in the bare runtime."""
    register(
        "solana.devnet_send_vs_bare",
        ours=served_milliseconds(),
        other=bare_milliseconds(),
        unit="ms",
        how="sendTransaction with preflight over loopback, client and server in one process,"
        " against simulate and send in the bare runtime",
    )


if __name__ == "__main__":
    bench_solana_devnet()
