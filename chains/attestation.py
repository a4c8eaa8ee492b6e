"""M-of-N attestations over EIP-712 digests, secp256k1 on every chain family."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from coincurve import PrivateKey, PublicKey
from eth_hash.auto import keccak

from chains.errors import AttestationError
from chains.types import (
    SOLANA_NAMESPACE,
    ChainId,
    chain_key,
    evm_chain_number,
    word_of_evm_address,
)

SIGNATURE_BYTES: Final = 65
SECP256K1_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
LOW_S_MAX: Final = SECP256K1_ORDER // 2
GUARDIANS_MAX: Final = 19
DOMAIN_TYPE_HASH: Final = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
SALT_DOMAIN_TYPE_HASH: Final = keccak(b"EIP712Domain(string name,string version,bytes32 salt)")
ATTESTATION_TYPE_HASH: Final = keccak(b"Attestation(bytes32 messageId,uint32 guardianSetIndex)")
DOMAIN_NAME: Final = b"CollateralRelayer"
DOMAIN_VERSION: Final = b"1"


def default_threshold(members: int) -> int:
    """Return floor(2n/3) + 1: the quorum of a set whose threshold nobody chose."""
    return 2 * members // 3 + 1


@dataclass(frozen=True, slots=True)
class GuardianSet:
    """Keys that attest, by index. Members are left-padded addresses, strictly ascending."""

    index: int
    threshold: int
    members: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if list(self.members) != sorted(set(self.members)):
            raise AttestationError(reason="guardian members must be distinct and ascending")
        if not 1 <= len(self.members) <= GUARDIANS_MAX:
            raise AttestationError(reason=f"a guardian set has 1 to {GUARDIANS_MAX} members")
        if not len(self.members) // 2 < self.threshold <= len(self.members):
            raise AttestationError(
                reason=f"threshold {self.threshold} of {len(self.members)}: two quorums must meet"
            )


@dataclass(frozen=True, slots=True)
class Attestation:
    """A quorum-signed statement about one message; signatures ascend by signer address."""

    message_id: bytes
    guardian_set_index: int
    signatures: tuple[bytes, ...]


def domain_separator(chain_id: ChainId, contract: bytes) -> bytes:
    """
    Return the EIP-712 domain separator of one contract on one chain.

    A Solana chain has no number, and a vault there is an address derived from its program: the
    domain binds both through salt = keccak256(chain key | vault).

    Raises:
        ValueError: a chain of neither family.
    """
    if chain_id.startswith(SOLANA_NAMESPACE):
        return salted_domain(keccak(chain_key(chain_id) + contract))
    return keccak(
        DOMAIN_TYPE_HASH
        + keccak(DOMAIN_NAME)
        + keccak(DOMAIN_VERSION)
        + evm_chain_number(chain_id).to_bytes(32, "big")
        + contract
    )


def salted_domain(salt: bytes) -> bytes:
    """Return the EIP-712 domain separator of name, version and a salt."""
    return keccak(SALT_DOMAIN_TYPE_HASH + keccak(DOMAIN_NAME) + keccak(DOMAIN_VERSION) + salt)


def attestation_digest(
    *, chain_id: ChainId, contract: bytes, message_id: bytes, guardian_set_index: int
) -> bytes:
    """Return the 32 bytes that a guardian signs; they bind chain, contract and set index."""
    struct_hash = keccak(
        ATTESTATION_TYPE_HASH + message_id + guardian_set_index.to_bytes(32, "big")
    )
    return keccak(b"\x19\x01" + domain_separator(chain_id, contract) + struct_hash)


def sign_digest(key: PrivateKey, digest: bytes) -> bytes:
    """Return the 65-byte signature r | s | v of a digest; v is 27 or 28, s is low."""
    compact = key.sign_recoverable(digest, hasher=None)
    return compact[:64] + bytes((compact[64] + 27,))


def signer_address(key: PrivateKey) -> bytes:
    """Return the left-padded address of a key."""
    public_key = key.public_key.format(compressed=False)
    return word_of_evm_address(keccak(public_key[1:])[12:])


def recover_signer(digest: bytes, signature: bytes) -> bytes:
    """
    Return the left-padded address that made a signature.

    Raises:
        AttestationError: wrong length, v outside 27/28, r or s out of range, high s.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise AttestationError(reason=f"a signature has 65 bytes, this one has {len(signature)}")
    r_value = int.from_bytes(signature[:32], "big")
    s_value = int.from_bytes(signature[32:64], "big")
    if signature[64] not in (27, 28):
        raise AttestationError(reason=f"v is {signature[64]}, 27 or 28 is needed")
    if not 0 < r_value < SECP256K1_ORDER or not 0 < s_value < SECP256K1_ORDER:
        raise AttestationError(reason="r or s is out of range")
    if s_value > LOW_S_MAX:
        raise AttestationError(reason="high s: the signature was altered")
    compact = signature[:64] + bytes((signature[64] - 27,))
    try:
        public_key = PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except Exception as exc:  # coincurve raises bare Exception and ValueError
        raise AttestationError(reason="no key made this signature") from exc
    return word_of_evm_address(keccak(public_key.format(compressed=False)[1:])[12:])


def verify_attestation(
    attestation: Attestation, *, guardian_set: GuardianSet, chain_id: ChainId, contract: bytes
) -> tuple[bytes, ...]:
    """
    Return the signers of a valid attestation, ascending.

    Raises:
        AttestationError: other set index, fewer signers than the threshold, an outsider, a
            duplicate, or signers out of order.
    """
    if attestation.guardian_set_index != guardian_set.index:
        raise AttestationError(
            reason=f"set {attestation.guardian_set_index}, current is {guardian_set.index}"
        )
    count = len(attestation.signatures)
    if count < guardian_set.threshold:
        raise AttestationError(reason=f"{count} signatures, {guardian_set.threshold} are needed")
    digest = attestation_digest(
        chain_id=chain_id,
        contract=contract,
        message_id=attestation.message_id,
        guardian_set_index=attestation.guardian_set_index,
    )
    signers: list[bytes] = []
    for signature in attestation.signatures:  # the order of checks is the contract's
        signer = recover_signer(digest, signature)
        if signers and signers[-1] >= signer:
            raise AttestationError(reason="signers must ascend strictly")
        if signer not in guardian_set.members:
            raise AttestationError(reason=f"0x{signer.hex()} is not in set {guardian_set.index}")
        signers.append(signer)
    return tuple(signers)


def assemble_attestation(
    message_id: bytes, guardian_set: GuardianSet, signature_of: Mapping[bytes, bytes]
) -> Attestation:
    """
    Return an attestation of the first threshold signers by address.

    Args:
        signature_of: signer (left-padded address) to its signature.

    Raises:
        AttestationError: fewer signatures of members than the threshold.
    """
    members = [member for member in guardian_set.members if member in signature_of]
    if len(members) < guardian_set.threshold:
        raise AttestationError(
            reason=f"{len(members)} signatures, {guardian_set.threshold} are needed"
        )
    chosen = members[: guardian_set.threshold]
    return Attestation(
        message_id=message_id,
        guardian_set_index=guardian_set.index,
        signatures=tuple(signature_of[member] for member in chosen),
    )
