"""The local cluster as a whole: served, moved and broken from the one who started it."""

import contextlib
import threading
import time
from typing import Any, Final

from solders.account import Account
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from chains.devnet.loopback import LoopbackServer
from chains.devnet.rpc import DevnetError
from chains.devnet.running import Running
from chains.devnet.solana.codec import SYSTEM_PROGRAM
from chains.devnet.solana.dispatch import Dispatch
from chains.devnet.solana.faults import Faults
from chains.devnet.solana.hub import Hub
from chains.devnet.solana.ledger import Ledger
from chains.devnet.solana.methods.node import Node
from chains.devnet.solana.mints import NATIVE_MINT, create_mint, mint_to, native_mint
from chains.devnet.solana.options import FAUCET_LAMPORTS, MILLISECONDS, SolanaOptions
from chains.devnet.solana.pipeline import Pipeline
from chains.devnet.solana.websocket import WebsocketServer
from chains.types import ChainId

PORT_ATTEMPTS_MAX: Final = 20
CAIP2_REFERENCE_LENGTH: Final = 32


class SolanaDevnet(Running):
    """
    One local cluster; a context manager.

    Everything may be called from any thread while it is served. Programs of add_program are part
    of the genesis: no rollback takes them away.
    """

    def __init__(self, options: SolanaOptions | None = None) -> None:
        self.options = options or SolanaOptions()
        self.faults = Faults(self.options.seed)
        self.ledger = Ledger(self.options)
        faucet = Account(FAUCET_LAMPORTS, b"", SYSTEM_PROGRAM)
        self.ledger.bank.svm.set_account(self.options.faucet.pubkey(), faucet)
        self.ledger.bank.svm.set_account(NATIVE_MINT, native_mint())
        self.pipeline = Pipeline(self.ledger, self.faults)
        self.dispatch = Dispatch(Node(self.options, self.ledger, self.pipeline, self.faults))
        self._hub = Hub(self.ledger)
        self._http = LoopbackServer(self.dispatch.reply, port=self.options.port)
        self._websocket = WebsocketServer(self._hub, port=0)
        self._ending = threading.Event()
        self._ticker: threading.Thread | None = None
        self._running = contextlib.ExitStack()

    @property
    def url(self) -> str:
        """The HTTP address."""
        return self._http.url

    @property
    def ws_url(self) -> str:
        """The websocket's address: the next port."""
        return self._websocket.url

    @property
    def chain_id(self) -> ChainId:
        """The chain's CAIP-2 name: the beginning of the genesis hash."""
        genesis = self.ask("getGenesisHash")
        return ChainId(f"solana:{genesis[:CAIP2_REFERENCE_LENGTH]}")

    @property
    def slot(self) -> int:
        """The slot in which transactions land now."""
        return self.ledger.tip.slot

    def start(self) -> None:
        """
        Serve; slots move if they do so by themselves.

        Raises:
            DevnetError: no two ports that follow each other are free.
        """
        self._serve()
        if self.options.slot_ms is not None:
            self._ending.clear()
            self._ticker = threading.Thread(target=self._tick, daemon=True)
            self._ticker.start()

    def stop(self) -> None:
        """Stop serving; calling it twice is fine."""
        self._ending.set()
        ticker, self._ticker = self._ticker, None
        if ticker is not None:
            ticker.join()
        self._running.close()

    def ask(self, method: str, *params: Any) -> Any:
        """
        Return the result of a request, past the line and its faults.

        Raises:
            RefusalError: what a node answers when it does not answer.
        """
        return self.dispatch.ask(method, list(params))

    # ---- commands

    def advance(self, slots: int = 1) -> int:
        """Let slots pass and return the newest."""
        with self.ledger.lock:
            if not self.pipeline.is_waiting:
                self.ledger.advance(slots)
                return self.slot
            target = self.slot + slots
            while self.slot < target:
                self.ledger.advance()
                self.pipeline.execute_due()
            return self.slot

    def skip(self, slots: int = 1) -> int:
        """Let slots without a block pass and return the slot of the next block."""
        with self.ledger.lock:
            self.ledger.skip(slots)
            self.pipeline.execute_due()
            return self.slot

    def rollback(
        self,
        slots: int,
        *,
        is_including_again: bool = False,
        is_refilling: bool = False,
        fork: int | None = None,
    ) -> list[str]:
        """
        Drop the newest slots, the open one among them; never final ones.

        Args:
            is_including_again: run what was dropped again, as far as its blockhash is still known.
            is_refilling: go on in the same slots; else they stay without blocks.
            fork: goes into the hashes from here on; another one each time if None.

        Returns:
            The signatures that are gone.

        Raises:
            DevnetError: that would take back a final slot.
        """
        with self.ledger.lock:
            dropped = self.ledger.roll_back(slots, is_refilling=is_refilling, fork=fork)
            again = set(self.pipeline.include_again(dropped)) if is_including_again else set()
        return [one.signature for one in dropped if one.signature not in again]

    def hold_confirmation(self) -> None:
        """Let slots move without any becoming confirmed or final."""
        with self.ledger.lock:
            self.ledger.is_confirming = False

    def resume_confirmation(self) -> None:
        """Let slots become confirmed and final again, from the next one on."""
        with self.ledger.lock:
            self.ledger.is_confirming = True

    def cut_websockets(self) -> None:
        """End every websocket as a line that breaks."""
        self._websocket.cut()

    # ---- what tests begin with

    def airdrop(self, receiver: Pubkey, lamports: int) -> str:
        """Give lamports in the open block and return the signature."""
        return str(self.ask("requestAirdrop", str(receiver), lamports))

    def add_program(self, program: Pubkey, elf: bytes) -> None:
        """Put a program there."""
        with self.ledger.lock:
            self.ledger.bank.svm.add_program(program, elf)

    def set_account(self, key: Pubkey, account: Account) -> None:
        """Set an account in the open block, past all rules."""
        with self.ledger.lock:
            self.ledger.bank.write(key, account, self.slot)

    def create_mint(self, *, decimals: int, mint: Keypair | None = None) -> Pubkey:
        """Make a token whose authority is the faucet and return its address."""
        with self.ledger.lock:
            return create_mint(self.pipeline, self.options.faucet, decimals, mint or Keypair())

    def mint_to(self, mint: Pubkey, owner: Pubkey, units: int) -> Pubkey:
        """Give tokens to the owner's associated account and return its address."""
        with self.ledger.lock:
            return mint_to(self.pipeline, self.options.faucet, mint, owner=owner, units=units)

    # ---- inside

    def _serve(self) -> None:
        for attempt in range(PORT_ATTEMPTS_MAX):
            self._http = LoopbackServer(self.dispatch.reply, port=self.options.port)
            try:
                self._running.enter_context(self._http)
                self._websocket = WebsocketServer(self._hub, port=self._http.port + 1)
                self._running.enter_context(self._websocket)
                return
            except DevnetError:
                self._running.close()
                if self.options.port or attempt == PORT_ATTEMPTS_MAX - 1:
                    raise

    def _tick(self) -> None:
        seconds = self.options.slot_milliseconds / MILLISECONDS
        due = time.monotonic() + seconds
        while not self._ending.wait(max(due - time.monotonic(), 0)):
            self.advance()
            due += seconds  # not from now on: the cluster's clock counts slots


def solana_devnet(**options: Any) -> SolanaDevnet:
    """Return a local cluster, not started; the options are those of SolanaOptions."""
    return SolanaDevnet(SolanaOptions(**options))
