"""JSON-RPC with a Solana node: refusals are sorted by the table of Solana."""

from enum import Enum

from chains.agreement.faults import FaultClass
from chains.line.client import LineClient
from chains.solana.faults import fault_of


class Level(Enum):
    """How sure an answer is to be; what is only processed is never asked for."""

    CONFIRMED = "confirmed"
    FINALIZED = "finalized"


class SolanaRpc(LineClient):
    """One Solana node."""

    def fault_of(self, code: int, text: str, *, is_range: bool = False) -> FaultClass:
        """Return what an error object means."""
        return fault_of(code, text, is_range=is_range)
