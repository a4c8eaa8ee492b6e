"""The guardian bridge: M-of-N attestations handed straight to the vault or the credit line."""

from collections.abc import Iterable
from typing import Final

from chains.attestation import Attestation, GuardianSet
from chains.errors import AttestationError, MessageFormatError
from chains.message import Message, MessageKind, guardian_set_hash
from chains.port import ChainReader, ContractCall, DispatchReceipt
from chains.types import BlockRef, chain_key

BRIDGE_NAME: Final = "guardian"
EXECUTE: Final = "execute(bytes,uint32,bytes[])"
GRANT: Final = "grant(bytes,uint32,bytes[])"
ROTATE: Final = "rotateGuardianSet(bytes,uint32,address[],uint8,bytes[])"


class AttestedBridge:
    """
    The part of a chains.port.Bridge that every family has: attestations travel, nothing else.

    Args:
        reader: reads the target chain.
        next_sets: guardian sets that a guardian_set message may announce; the message itself
            carries only their hash.
    """

    def __init__(self, reader: ChainReader, next_sets: Iterable[GuardianSet] = ()) -> None:
        self._reader = reader
        self._set_of_hash = {
            guardian_set_hash(
                index=guardian_set.index,
                threshold=guardian_set.threshold,
                members=guardian_set.members,
            ): guardian_set
            for guardian_set in next_sets
        }

    async def dispatch(self, message: Message) -> DispatchReceipt:
        """Return a receipt at once: the guardians read the outbox, nothing travels before them."""
        self._check_target(message)
        return DispatchReceipt(
            message_id=message.message_id, bridge=BRIDGE_NAME, reference=message.message_id
        )

    def proof(self, message: Message, attestation: Attestation) -> bytes:
        """Return set index u32 | count u8 | signatures, 65 bytes each."""
        self._check_attested(message, attestation)
        return (
            attestation.guardian_set_index.to_bytes(4, "big")
            + len(attestation.signatures).to_bytes(1, "big")
            + b"".join(attestation.signatures)
        )

    async def status(self, message: Message, block: BlockRef | None) -> bool:
        """Return whether the target has executed the message, at a block or at the newest."""
        self._check_target(message)
        return await self._reader.is_executed(message.vault, message.message_id, block)

    def _announced(self, message: Message) -> GuardianSet:
        announced = self._set_of_hash.get(message.token)
        if announced is None:
            raise MessageFormatError(
                field="token",
                reason=f"guardian set 0x{message.token.hex()} was not announced to this bridge",
            )
        return announced

    def _check_target(self, message: Message) -> None:
        if message.target != chain_key(self._reader.chain_id):
            raise MessageFormatError(
                field="target", reason=f"not {self._reader.chain_id}, which this bridge serves"
            )

    @staticmethod
    def _check_attested(message: Message, attestation: Attestation) -> None:
        if attestation.message_id != message.message_id:
            raise AttestationError(reason="the attestation is of another message")


class GuardianBridge(AttestedBridge):
    """chains.port.Bridge to the contracts of one EVM chain."""

    async def deliver(self, message: Message, attestation: Attestation) -> tuple[ContractCall, ...]:
        """
        Return the one call that delivers a message.

        Raises:
            AttestationError: the attestation is of another message.
            MessageFormatError: another target chain, or a guardian set that was not announced.
        """
        self._check_target(message)
        self._check_attested(message, attestation)
        raw, index = message.encode(), attestation.guardian_set_index
        match message.kind:
            case MessageKind.CREDIT_GRANT:
                return (self._contract_call(message, GRANT, (raw, index, attestation.signatures)),)
            case MessageKind.GUARDIAN_SET:
                announced = self._announced(message)
                arguments = (
                    raw,
                    index,
                    announced.members,
                    announced.threshold,
                    attestation.signatures,
                )
                return (self._contract_call(message, ROTATE, arguments),)
            case (
                MessageKind.RELEASE | MessageKind.SEIZE | MessageKind.PAUSE | MessageKind.PARAMETER
            ):
                return (
                    self._contract_call(message, EXECUTE, (raw, index, attestation.signatures)),
                )

    def _contract_call(
        self,
        message: Message,
        function: str,
        arguments: tuple[int | bytes | tuple[bytes, ...], ...],
    ) -> ContractCall:
        return ContractCall(self._reader.chain_id, message.vault, function, arguments)
