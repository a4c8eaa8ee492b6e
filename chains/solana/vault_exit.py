"""What an owner with a secp256k1 key signs to leave a vault on Solana."""

from typing import Final

from eth_hash.auto import keccak

from chains.attestation import domain_separator
from chains.solana.vault_addresses import VaultAddresses
from chains.solana.vault_instructions import Exit
from chains.types import WORD_BYTES, ChainId

EXIT_TYPE_HASH: Final = keccak(
    b"Exit(bytes32 account,bytes32 token,bytes32 recipient,uint64 deadline)"
)


def exit_digest(
    at: VaultAddresses, leaving: Exit, *, chain_id: ChainId, deadline_seconds: int
) -> bytes:
    """
    Return the EIP-712 digest of an exit, in the domain of one vault on one chain.

    Args:
        deadline_seconds: last Unix second at which the exit may be delivered.
    """
    struct_hash = keccak(
        EXIT_TYPE_HASH
        + leaving.account
        + bytes(leaving.token.mint)
        + bytes(leaving.recipient)
        + deadline_seconds.to_bytes(WORD_BYTES, "big")
    )
    return keccak(b"\x19\x01" + domain_separator(chain_id, bytes(at.vault)) + struct_hash)
