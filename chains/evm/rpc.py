"""JSON-RPC with an EVM node: refusals are sorted by the table of EVM, reverts are decoded."""

from chains.agreement.faults import FaultClass
from chains.errors import CallRevertedError
from chains.evm.abi import decode_revert
from chains.evm.faults import fault_of
from chains.line.client import LineClient, RpcFaultError


class RpcClient(LineClient):
    """One EVM node."""

    def fault_of(self, code: int, text: str, *, is_range: bool = False) -> FaultClass:
        """Return what an error object means."""
        return fault_of(code, text, is_range=is_range)

    def refusal(self, fault: RpcFaultError | None, reason: str) -> CallRevertedError:
        """Return the error of a contract that refused, decoded where the ABI knows it."""
        raw = None if fault is None else revert_bytes(fault.content)
        if not raw:
            return super().refusal(fault, reason)
        return CallRevertedError(chain_id=self.chain_id, reason=decode_revert(raw))


def revert_bytes(data: object) -> bytes | None:
    """Return the bytes of a revert; nodes put them in data or in data.data."""
    if isinstance(data, dict):
        data = data.get("data")
    if not isinstance(data, str):
        return None
    start = data.find("0x")
    try:
        return bytes.fromhex(data[start + 2 :]) if start >= 0 else None
    except ValueError:
        return None
