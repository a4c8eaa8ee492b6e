"""Signatures of Solana wallets: ed25519, verified as strictly as the chain's own programs do."""

from typing import Final

from solders.pubkey import Pubkey
from solders.signature import Signature

from chains.base58 import base58_of
from chains.errors import AttestationError
from chains.types import EVM_ADDRESS_PAD, WORD_BYTES

ED25519_SIGNATURE_BYTES: Final = 64
ED25519_PROOF_BYTES: Final = WORD_BYTES + ED25519_SIGNATURE_BYTES  # public key | R | s
FIELD_PRIME: Final = 2**255 - 19
GROUP_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
SIGN_BIT: Final = 2**255


def ed25519_signer(text: bytes, proof: bytes) -> bytes:
    """
    Return the public key at the head of a proof after verifying its signature over a text.

    A point has one spelling here: coordinates are below the field's prime and s is below the
    group's order. The cofactorless equation and the refusal of keys and nonces of small order are
    the library's, which is what the chain's own transactions are verified with.

    Args:
        proof: public key 32 | R 32 | s 32.

    Raises:
        AttestationError: wrong length, a second spelling, a weak key, a key that could be taken
            for an EVM address, or not this key's signature over this text.
    """
    if len(proof) != ED25519_PROOF_BYTES:
        raise AttestationError(
            reason=f"an ed25519 key with its signature has {ED25519_PROOF_BYTES} bytes, "
            f"this one has {len(proof)}"
        )
    key, signature = proof[:WORD_BYTES], proof[WORD_BYTES:]
    if key.startswith(EVM_ADDRESS_PAD):
        raise AttestationError(reason="an ed25519 key that reads as an EVM address signs nothing")
    for name, point in (("key", key), ("R", signature[:WORD_BYTES])):
        if int.from_bytes(point, "little") % SIGN_BIT >= FIELD_PRIME:
            raise AttestationError(reason=f"{name} of an ed25519 signature is a second spelling")
    if int.from_bytes(signature[WORD_BYTES:], "little") >= GROUP_ORDER:
        raise AttestationError(reason="s of an ed25519 signature is too large: it was altered")
    if not Signature.from_bytes(signature).verify(Pubkey.from_bytes(key), text):
        raise AttestationError(
            reason=f"the ed25519 key {base58_of(key)} did not sign the text of this command"
        )
    return key
