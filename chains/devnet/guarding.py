"""What every vault and credit line of a local layout is guarded by, on chains of both families."""

from dataclasses import dataclass, field
from typing import Final

from chains.attestation import Attestation, GuardianSet
from chains.devnet.actors import DevKey, attest, guardian_keys, guardian_set_of
from chains.message import Message
from chains.types import ChainId

HUB_DEVNET: Final = ChainId("hub:devnet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarding:
    """A hub, its guardians, and how long what they do takes."""

    hub: ChainId = HUB_DEVNET
    guardians: tuple[DevKey, ...] = field(default_factory=lambda: guardian_keys(3))
    threshold: int = 2
    overlap_seconds: int = 3_600
    exit_delay_seconds: int = 7 * 86_400
    window_seconds: int = 86_400

    @property
    def guardian_set(self) -> GuardianSet:
        """The guardians as set 0."""
        return guardian_set_of(self.guardians, threshold=self.threshold)

    def attest(self, message: Message, chain_id: ChainId) -> Attestation:
        """Return an attestation of a message to a chain by the first threshold guardians."""
        return attest(
            message, chain_id=chain_id, guardian_set=self.guardian_set, keys=self.guardians
        )
