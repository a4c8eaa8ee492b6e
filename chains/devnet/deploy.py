"""Deploy from contracts/artifacts and act as a wallet on a local chain."""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from chains.devnet.actors import DEPLOYER, DevKey
from chains.devnet.anvil import PROJECT_ROOT, Anvil
from chains.devnet.rpc import DevnetError
from chains.evm.abi import encode_arguments, encode_call
from chains.evm.reader import hex_address
from chains.port import Argument, ContractCall, Receipt
from chains.types import (
    UINT256_MAX,
    BlockRef,
    ChainId,
    word_of_text,
)

ARTIFACTS_PATH: Final = PROJECT_ROOT / "contracts/artifacts"
GAS_LIMIT: Final = 15_000_000


@cache
def artifact(name: str) -> dict[str, Any]:
    """
    Return a compiled contract: contractName, abi, bytecode.

    Raises:
        DevnetError: there is no such artifact.
    """
    path: Path = ARTIFACTS_PATH / f"{name}.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as exc:
        raise DevnetError(
            f"{name} has no artifact; run: cd contracts/evm && npm run build"
        ) from exc


def constructor_types(name: str) -> tuple[str, ...]:
    """Return the parameter types of a contract's constructor."""
    for entry in artifact(name)["abi"]:
        if entry["type"] == "constructor":
            return tuple(parameter["type"] for parameter in entry["inputs"])
    return ()


class DevChain:
    """One local chain seen by its deployer and by wallets. Every action waits for its block."""

    def __init__(self, anvil: Anvil) -> None:
        self.anvil = anvil

    @property
    def chain_id(self) -> ChainId:
        """The chain's CAIP-2 name."""
        return self.anvil.chain_id

    def deploy(self, name: str, *arguments: object) -> bytes:
        """
        Deploy a contract by the deployer.

        Returns:
            Its left-padded address.

        Raises:
            CallRevertedError: its constructor refused.
        """
        bytecode = str(artifact(name)["bytecode"]).removeprefix("0x")
        encoded = encode_arguments(constructor_types(name), arguments)
        receipt = self._transact(DEPLOYER, None, bytes.fromhex(bytecode) + encoded)
        if receipt.contract is None:
            raise DevnetError(f"{name} was not created")
        return receipt.contract

    def send(self, wallet: DevKey, contract: bytes, function: str, *arguments: Argument) -> Receipt:
        """
        Call a function from a wallet and wait for the block.

        Raises:
            CallRevertedError: the contract refused; the reason is decoded.
        """
        return self._transact(wallet, contract, encode_call(function, arguments))

    def execute(self, wallet: DevKey, call: ContractCall) -> Receipt:
        """Send a prepared call, for example of a bridge."""
        return self.send(wallet, call.contract, call.function, *call.arguments)

    def view(self, contract: bytes, function: str, *arguments: Argument) -> bytes:
        """Return the raw answer of a view at the newest block."""
        transaction = {
            "to": hex_address(contract),
            "data": "0x" + encode_call(function, arguments).hex(),
        }
        return bytes.fromhex(str(self.anvil.rpc.call("eth_call", transaction, "latest"))[2:])

    def number(self, contract: bytes, function: str, *arguments: Argument) -> int:
        """Return the answer of a view that returns one unsigned integer."""
        return int.from_bytes(self.view(contract, function, *arguments), "big")

    def units_of(self, token: bytes, owner: bytes) -> int:
        """Return how much of a token an address has. [token base units]"""
        return self.number(token, "balanceOf(address)", owner)

    def mint(self, token: bytes, recipient: bytes, units: int) -> Receipt:
        """Make test tokens out of nothing."""
        return self.send(DEPLOYER, token, "mint(address,uint256)", recipient, units)

    def approve(
        self, wallet: DevKey, token: bytes, spender: bytes, units: int = UINT256_MAX
    ) -> Receipt:
        """Let a contract take tokens from a wallet."""
        return self.send(wallet, token, "approve(address,uint256)", spender, units)

    def lock(
        self, wallet: DevKey, vault: bytes, account: bytes, token: bytes, units: int
    ) -> Receipt:
        """Lock collateral for a margin account; the wallet must have approved the vault."""
        return self.send(wallet, vault, "lock(bytes32,address,uint256)", account, token, units)

    def exit(
        self, wallet: DevKey, vault: bytes, salt: bytes, token: bytes, recipient: bytes
    ) -> Receipt:
        """Leave a vault on one's own after the guardians' silence."""
        return self.send(wallet, vault, "exit(bytes32,address,address)", salt, token, recipient)

    def borrow(self, wallet: DevKey, credit_line: bytes, account: bytes, units: int) -> Receipt:
        """Draw on a grant, to the wallet itself."""
        return self.send(
            wallet,
            credit_line,
            "borrow(bytes32,uint256,address)",
            account,
            units,
            wallet.address,
        )

    def repay(
        self, wallet: DevKey, credit_line: bytes, account: bytes, units: int = UINT256_MAX
    ) -> Receipt:
        """Repay an account's debt, by default all of it; the wallet must have approved."""
        return self.send(wallet, credit_line, "repay(bytes32,uint256)", account, units)

    def supply(self, wallet: DevKey, credit_line: bytes, units: int) -> Receipt:
        """Give liquidity to a credit line; the wallet must have approved."""
        return self.send(wallet, credit_line, "supply(uint256)", units)

    def update_feed(
        self, feed: bytes, answer: int, *, updated_at_seconds: int | None = None
    ) -> Receipt:
        """Write a price, x 10^decimals; by default updated now."""
        if updated_at_seconds is None:
            return self.send(DEPLOYER, feed, "update(int256)", answer)
        return self.send(
            DEPLOYER, feed, "updateWithTime(int256,uint256)", answer, updated_at_seconds
        )

    def head(self) -> BlockRef:
        """Return the newest block."""
        found = self.anvil.rpc.call("eth_getBlockByNumber", "latest", False)
        return BlockRef(int(found["number"], 16), bytes.fromhex(found["hash"][2:]))

    def timestamp_seconds(self) -> int:
        """Return the newest block's time."""
        found = self.anvil.rpc.call("eth_getBlockByNumber", "latest", False)
        return int(found["timestamp"], 16)

    def mine(self, blocks: int = 1) -> None:
        """Mine empty blocks."""
        self.anvil.rpc.call("anvil_mine", hex(blocks))

    def finalize(self) -> None:
        """Mine until what is the newest block now is final."""
        self.mine(2 * self.anvil.options.slots_in_epoch)

    def move_time(self, seconds: int) -> None:
        """Let time pass and mine a block at the new time."""
        self.anvil.rpc.call("evm_increaseTime", hex(seconds))
        self.mine()

    def _transact(self, wallet: DevKey, contract: bytes | None, payload: bytes) -> Receipt:
        transaction = {"from": hex_address(wallet.address), "data": "0x" + payload.hex()}
        if contract is not None:
            transaction["to"] = hex_address(contract)
        self.anvil.rpc.call("eth_call", transaction, "latest")  # a refusal comes back decoded
        transaction["gas"] = hex(GAS_LIMIT)
        tx_hash = str(self.anvil.rpc.call("eth_sendTransaction", transaction))
        found = self.anvil.rpc.receipt(tx_hash)
        if int(found["status"], 16) != 1:
            raise DevnetError(f"{self.chain_id}: {tx_hash} failed; the state moved meanwhile")
        created = found.get("contractAddress")
        return Receipt(
            tx_hash=bytes.fromhex(tx_hash[2:]),
            block=BlockRef(int(found["blockNumber"], 16), bytes.fromhex(found["blockHash"][2:])),
            is_success=True,
            gas_used=int(found["gasUsed"], 16),
            contract=None if created is None else word_of_text(created),
        )
