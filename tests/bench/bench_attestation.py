"""Speed of attestations: one signature and 13 of 19, against the target and bare coincurve."""

from collections.abc import Callable
from typing import Final

from coincurve import PublicKey

from chains.attestation import (
    attestation_digest,
    default_threshold,
    recover_signer,
    verify_attestation,
)
from chains.devnet.actors import attest, guardian_keys, guardian_set_of
from chains.devnet.vectors import messages
from tests.bench.report import best_seconds, register

GUARDIANS: Final = 19
TARGET_MICROSECONDS: Final = 500.0  # 2,000 a second
ROUNDS: Final = 200
REPEATS: Final = 7
MICROSECONDS: Final = 1_000_000


def microseconds_each(run: Callable[[], object]) -> float:
    """Return what one run takes when nothing else disturbs it. [us]"""

    def rounds() -> None:
        for _ in range(ROUNDS):
            run()

    return MICROSECONDS * best_seconds(rounds, repeats=REPEATS) / ROUNDS


def bench_attestation() -> None:
    """Compare one verification with the target and with bare recovery, alone and 13 of 19."""
    chain_id, message = messages()["release"]
    keys = guardian_keys(GUARDIANS, seed="bench")
    guardian_set = guardian_set_of(keys, threshold=default_threshold(GUARDIANS))
    attestation = attest(message, chain_id=chain_id, guardian_set=guardian_set, keys=keys)
    digest = attestation_digest(
        chain_id=chain_id,
        contract=message.vault,
        message_id=message.message_id,
        guardian_set_index=guardian_set.index,
    )
    compacts = [raw[:64] + bytes((raw[64] - 27,)) for raw in attestation.signatures]
    count = len(compacts)

    def verify() -> None:
        verify_attestation(
            attestation, guardian_set=guardian_set, chain_id=chain_id, contract=message.vault
        )

    def recover_bare() -> None:
        for compact in compacts:
            PublicKey.from_signature_and_message(compact, digest, hasher=None)

    one = microseconds_each(lambda: recover_signer(digest, attestation.signatures[0]))
    quorum = microseconds_each(verify)
    bare = microseconds_each(recover_bare)
    register(
        "attestation.vs_target",
        ours=one,
        other=TARGET_MICROSECONDS,
        unit="us",
        how="one signature checked and its signer recovered, against 2,000 a second",
    )
    register(
        "attestation.quorum_vs_target",
        ours=quorum,
        other=TARGET_MICROSECONDS * count,
        unit="us",
        how=f"{count} of {GUARDIANS} verified, against {count} signatures at 2,000 a second",
    )
    register(
        "attestation.vs_coincurve",
        ours=quorum,
        other=bare,
        unit="us",
        how=f"{count} of {GUARDIANS} verified, against {count} bare recoveries of the public key",
    )


if __name__ == "__main__":
    bench_attestation()
