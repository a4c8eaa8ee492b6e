"""
Broken attestations that Python and the contracts must both refuse, each with its reason.

Run: python -m chains.devnet.refused_vectors
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from chains.attestation import (
    SECP256K1_ORDER,
    SIGNATURE_BYTES,
    Attestation,
    GuardianSet,
    attestation_digest,
    default_threshold,
)
from chains.devnet.actors import DevKey, guardian_keys, guardian_set_of
from chains.devnet.vectors import messages
from chains.message import Message
from chains.types import ChainId, evm_chain_number

REFUSED_PATH: Final = Path(__file__).parents[2] / "contracts" / "vectors" / "refused.json"
CHAIN: Final = ChainId("eip155:31337")
MEMBERS: Final = guardian_keys(5, seed="refused vectors")
OUTSIDER: Final = guardian_keys(1, seed="refused outsider")[0]
SET: Final = guardian_set_of(MEMBERS, threshold=default_threshold(len(MEMBERS)))
MESSAGE: Final[Message] = messages()["release"][1]
OTHER_PLACE: Final = bytes(12) + b"\x0b" * 20


@dataclass(frozen=True, slots=True)
class Scene:
    """The message that was signed, and the chain it is for."""

    chain_id: ChainId = CHAIN
    message: Message = MESSAGE

    def digest(
        self,
        *,
        chain_id: ChainId | None = None,
        contract: bytes | None = None,
        guardian_set_index: int = SET.index,
    ) -> bytes:
        """Return the digest that the members signed, or one with some parts changed."""
        return attestation_digest(
            chain_id=self.chain_id if chain_id is None else chain_id,
            contract=self.message.vault if contract is None else contract,
            message_id=self.message.message_id,
            guardian_set_index=guardian_set_index,
        )


SCENE: Final = Scene()
TOO_FEW: Final = ("signatures, 4 are needed", "GuardianSetQuorumMissing(uint256,uint8)")
ORDER: Final = (
    "signers must ascend strictly",
    "GuardianSetSignersNotAscending(uint256,address,address)",
)
OUTSIDE: Final = ("is not in set 0", "GuardianSetNotAMember(address,uint32)")
LENGTH: Final = ("a signature has 65 bytes", "GuardianSetSignatureLength(uint256,uint256)")
OTHER_SET: Final = ("set 1, current is 0", "GuardianSetUnknown(uint32,uint32)")
MALFORMED: Final = "GuardianSetSignatureMalformed(uint256)"
RANGE: Final = ("r or s is out of range", MALFORMED)


@dataclass(frozen=True, slots=True)
class RefusedVector:
    """One attestation, why Python refuses it, and the contract's error for it."""

    attestation: Attestation
    reason: str
    error: str


def good_attestation(scene: Scene = SCENE) -> Attestation:
    """Return what all vectors are changed from: exactly the threshold of members signed."""
    return _signed(scene, MEMBERS[: SET.threshold])


def refused_vectors(scene: Scene = SCENE) -> dict[str, RefusedVector]:
    """Return a vector for each way to break an attestation, by name."""
    return {
        name: RefusedVector(attestation, reason, error)
        for name, (attestation, (reason, error)) in (
            _wrong_signers(scene) | _wrong_signatures(scene) | _wrong_statements(scene)
        ).items()
    }


Broken = dict[str, tuple[Attestation, tuple[str, str]]]


def _wrong_signers(scene: Scene) -> Broken:
    good = good_attestation(scene)
    first, *rest = good.signatures
    strangers = sorted((OUTSIDER, *MEMBERS[:3]), key=lambda key: key.address)
    more = sorted((OUTSIDER, *MEMBERS), key=lambda key: key.address)
    return {
        "empty": (replace(good, signatures=()), TOO_FEW),
        "one too few": (replace(good, signatures=good.signatures[:-1]), TOO_FEW),
        "a signer twice": (replace(good, signatures=(first, first, *rest[:-1])), ORDER),
        "a signer twice beyond the quorum": (
            replace(good, signatures=(first, first, *rest)),
            ORDER,
        ),
        "two swapped": (replace(good, signatures=(rest[0], first, *rest[1:])), ORDER),
        "descending": (replace(good, signatures=good.signatures[::-1]), ORDER),
        "a foreign signer": (_signed(scene, tuple(strangers)), OUTSIDE),
        "a foreign signer beyond the quorum": (_signed(scene, tuple(more)), OUTSIDE),
    }


def _wrong_signatures(scene: Scene) -> Broken:
    order = SECP256K1_ORDER.to_bytes(32, "big")
    return {
        "high s": (_first_changed(scene, _with_high_s), ("high s", MALFORMED)),
        "v of 0": (_first_changed(scene, lambda raw: raw[:64] + b"\x00"), ("v is 0", MALFORMED)),
        "v of 1": (_first_changed(scene, lambda raw: raw[:64] + b"\x01"), ("v is 1", MALFORMED)),
        "v of 29": (_first_changed(scene, lambda raw: raw[:64] + b"\x1d"), ("v is 29", MALFORMED)),
        "the other v": (_first_changed(scene, _with_other_v), OUTSIDE),
        "truncated": (_first_changed(scene, lambda raw: raw[:64]), LENGTH),
        "extended": (_first_changed(scene, lambda raw: raw + b"\x00"), LENGTH),
        "without bytes": (_first_changed(scene, lambda _: b""), LENGTH),
        "r of zero": (_first_changed(scene, lambda raw: bytes(32) + raw[32:]), RANGE),
        "s of zero": (_first_changed(scene, lambda raw: raw[:32] + bytes(32) + raw[64:]), RANGE),
        "r of the order": (_first_changed(scene, lambda raw: order + raw[32:]), RANGE),
        "s of the order": (_first_changed(scene, lambda raw: raw[:32] + order + raw[64:]), RANGE),
    }


def _wrong_statements(scene: Scene) -> Broken:
    good = good_attestation(scene)
    message = scene.message
    altered = bytes((message.message_id[0] ^ 1,)) + message.message_id[1:]
    older = replace(message, epoch=message.epoch + 1).message_id
    later = replace(message, expiry_seconds=message.expiry_seconds + 1).message_id
    signers = MEMBERS[: SET.threshold]
    elsewhere = replace(
        good,
        signatures=_signed(scene, signers, scene.digest(chain_id=ChainId("eip155:1"))).signatures,
    )
    return {
        "another set": (replace(good, guardian_set_index=1), OTHER_SET),
        "signed for another set": (
            _signed(scene, signers, scene.digest(guardian_set_index=1)),
            OUTSIDE,
        ),
        "signed for another chain": (elsewhere, OUTSIDE),
        "signed for another contract": (
            _signed(scene, signers, scene.digest(contract=OTHER_PLACE)),
            OUTSIDE,
        ),
        "an altered byte of the message": (replace(good, message_id=altered), OUTSIDE),
        "another epoch": (replace(good, message_id=older), OUTSIDE),
        "another expiry": (replace(good, message_id=later), OUTSIDE),
        "the bare id was signed": (_signed(scene, signers, message.message_id), OUTSIDE),
    }


def _signed(scene: Scene, keys: tuple[DevKey, ...], digest: bytes | None = None) -> Attestation:
    chosen = scene.digest() if digest is None else digest
    signatures = tuple(key.sign(chosen) for key in keys)
    return Attestation(scene.message.message_id, SET.index, signatures)


def _first_changed(scene: Scene, change: Callable[[bytes], bytes]) -> Attestation:
    good = good_attestation(scene)
    return replace(good, signatures=(change(good.signatures[0]), *good.signatures[1:]))


def _with_high_s(signature: bytes) -> bytes:
    s_value = SECP256K1_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s_value.to_bytes(32, "big") + _with_other_v(signature)[64:]


def _with_other_v(signature: bytes) -> bytes:
    return signature[: SIGNATURE_BYTES - 1] + bytes((27 + 28 - signature[-1],))


def refused_text() -> str:
    """Return the content of the file that all languages read."""
    return (
        json.dumps(
            {
                "chainNumber": str(evm_chain_number(CHAIN)),
                "contract": _hex(MESSAGE.vault),
                "guardianSet": _set_fields(SET),
                "good": _fields(good_attestation()),
                "refused": [
                    {"name": name, "reason": each.reason, "error": each.error}
                    | _fields(each.attestation)
                    for name, each in refused_vectors().items()
                ],
            },
            indent=2,
            sort_keys=True,
        )
        + "\n"
    )


def _set_fields(guardian_set: GuardianSet) -> dict[str, Any]:
    return {
        "index": guardian_set.index,
        "threshold": guardian_set.threshold,
        "members": [_hex(member) for member in guardian_set.members],
    }


def _fields(attestation: Attestation) -> dict[str, Any]:
    return {
        "id": _hex(attestation.message_id),
        "guardianSetIndex": attestation.guardian_set_index,
        "signatures": [_hex(signature) for signature in attestation.signatures],
    }


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()


if __name__ == "__main__":
    REFUSED_PATH.write_text(refused_text(), encoding="utf-8")
