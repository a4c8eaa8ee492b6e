"""
The life of a vault as transactions that any runtime can carry out, and its run in LiteSVM.

A scenario is JSON: accounts that are there at first, the accounts to look at, and steps. A step has
a name, seeds of the keys that sign, instructions, the time, and a slot to go to before. An effect
is the error and its number, the units used, and owner and content of each account looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eth_hash.auto import keccak
from solders.account import Account
from solders.compute_budget import set_compute_unit_limit
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata

from chains.attestation import (
    SECP256K1_ORDER,
    Attestation,
    attestation_digest,
    default_threshold,
)
from chains.command import account_id
from chains.devnet.actors import attest, dev_key, guardian_keys, guardian_set_of
from chains.devnet.solana_loader import deploy_buffer, make_buffer, make_final, write_chunks
from chains.devnet.solana_vectors import CHAIN
from chains.message import Message, MessageKind, guardian_set_hash
from chains.solana.vault_addresses import (
    SYSTEM_PROGRAM,
    TOKEN_PROGRAM,
    VaultAddresses,
    associated_token_account,
    vault_address,
)
from chains.solana.vault_exit import exit_digest
from chains.solana.vault_instructions import (
    Deposit,
    Exit,
    Token,
    VaultLimits,
    execute,
    exit_by_opener,
    exit_by_signature,
    initialise,
    list_asset,
    lock,
    rotate_set,
    seal,
    stage_set,
)
from chains.types import WORD_BYTES, ChainId, chain_key
from tests.contracts_solana.runtime import (
    ARTIFACTS,
    BEGIN_SECONDS,
    COMPUTE_UNITS,
    LAMPORTS,
    key_named,
    mint_content,
    token_account_content,
)
from tests.contracts_solana.transactions import transaction_of

HUB = ChainId("hub:second-runtime")
NO_WORD = bytes(WORD_BYTES)
LIMITS = VaultLimits(
    overlap_seconds=3_600, exit_delay_seconds=86_400, listing_window_seconds=24_000
)
KEYS = guardian_keys(5, seed="second runtime")
SET = guardian_set_of(KEYS[:4], threshold=default_threshold(4))
NEXT_SET = guardian_set_of(KEYS, threshold=default_threshold(5), index=1)
OUTSIDER = guardian_keys(1, seed="outsider")[0]
EVM_OPENER = dev_key(keccak(b"opener"))
PAYER, PROGRAM, BUFFER, MINT, ALICE, SOURCE = (
    key_named(f"second runtime:{name}")
    for name in ("payer", "program", "buffer", "mint", "alice", "source")
)
TOKEN = Token(MINT.pubkey(), TOKEN_PROGRAM)
VAULT = vault_address(
    program_id=PROGRAM.pubkey(), hub_key=chain_key(HUB), initializer=PAYER.pubkey()
)
AT = VaultAddresses(PROGRAM.pubkey(), VAULT)
ACCOUNT = account_id(opener=bytes(ALICE.pubkey()), salt=NO_WORD)
EVM_ACCOUNT = account_id(opener=EVM_OPENER.address, salt=NO_WORD)
WALLET = associated_token_account(
    wallet=ALICE.pubkey(), mint=TOKEN.mint, token_program=TOKEN_PROGRAM
)
VERSION_ZERO, VERSION_THREE = "vault-v0.so", "vault-v3.so"
UNITS = 10_000_000
CAPACITY = 1_000_000
LOCKED = 50_000
RELEASED = 1_000
DEPLOYED_SLOT = 2
EXIT_SECONDS = BEGIN_SECONDS + LIMITS.exit_delay_seconds + 1


@dataclass(slots=True)
class Scenario:
    """Steps in the making; nonces and time go up with them."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    now: int = BEGIN_SECONDS
    nonce: int = 0
    messages: list[Message] = field(default_factory=list)

    def step(
        self,
        name: str,
        *instructions: Instruction,
        signers: Sequence[Keypair] = (),
        slot: int | None = None,
    ) -> None:
        """Add a transaction, which the payer pays and signs first."""
        self.steps.append(
            {
                "name": name,
                "now": self.now,
                "slot": slot,
                "seeds": [bytes(key.secret()).hex() for key in (PAYER, *signers)],
                "instructions": [
                    {
                        "program": str(each.program_id),
                        "content": bytes(each.data).hex(),
                        "accounts": [
                            [str(meta.pubkey), meta.is_signer, meta.is_writable]
                            for meta in each.accounts
                        ],
                    }
                    for each in (self._limit(), *instructions)
                ],
            }
        )

    def _limit(self) -> Instruction:
        """Return a compute limit of this step's own, so that no two transactions are equal."""
        return set_compute_unit_limit(COMPUTE_UNITS - len(self.steps))

    def message(self, kind: MessageKind, **changes: Any) -> Message:
        """Return a message with the next nonce, of a payment to alice where nothing is changed."""
        self.nonce += 1
        fields: dict[str, Any] = {
            "origin": chain_key(HUB),
            "target": chain_key(CHAIN),
            "vault": bytes(VAULT),
            "nonce": self.nonce,
            "account": ACCOUNT,
            "token": bytes(TOKEN.mint),
            "amount_units": RELEASED,
            "recipient": bytes(ALICE.pubkey()),
            "expiry_seconds": self.now + 600,
            "epoch": 7,
            "evidence": keccak(b"evidence"),
        }
        return Message(kind=kind, **(fields | changes))

    def deliver(self, name: str, message: Message, attestation: Attestation) -> None:
        """Add the delivery of a message."""
        self.step(
            name,
            execute(
                AT,
                PAYER.pubkey(),
                message=message,
                attestation=attestation,
                token_program=TOKEN_PROGRAM,
            ),
        )


def scenario() -> dict[str, Any]:
    """Return the whole life: deployed, made, sealed, filled, attacked, rotated, left."""
    made = Scenario()
    _deploy(made, program_bytes(VERSION_ZERO))
    _make(made)
    _pay(made)
    _refuse(made)
    _rotate(made)
    _leave(made)
    return _written(made)


def deployment(elf: bytes) -> dict[str, Any]:
    """Return the deployment of a program alone."""
    made = Scenario()
    _deploy(made, elf)
    return _written(made)


def program_bytes(name: str) -> bytes:
    """Return a committed program."""
    return (ARTIFACTS / name).read_bytes()


def _written(made: Scenario) -> dict[str, Any]:
    accounts = [
        (PAYER.pubkey(), b"", SYSTEM_PROGRAM),
        (TOKEN.mint, mint_content(), TOKEN_PROGRAM),
        (SOURCE.pubkey(), token_account_content(TOKEN.mint, ALICE.pubkey(), UNITS), TOKEN_PROGRAM),
        (WALLET, token_account_content(TOKEN.mint, ALICE.pubkey(), 0), TOKEN_PROGRAM),
    ]
    return {
        "steps": made.steps,
        "watched": [str(key) for key in _watched(made)],
        "accounts": [
            {"key": str(key), "lamports": LAMPORTS, "content": content.hex(), "owner": str(owner)}
            for key, content, owner in accounts
        ],
    }


def _watched(made: Scenario) -> list[Pubkey]:
    positions = [AT.position(account=each, mint=TOKEN.mint) for each in (ACCOUNT, EVM_ACCOUNT)]
    return [
        VAULT, AT.guardian_set(0), AT.guardian_set(1), AT.asset(TOKEN.mint),
        AT.custody(TOKEN.mint), SOURCE.pubkey(), WALLET, *positions,
        *(AT.executed(message.message_id) for message in made.messages),
    ]  # fmt: skip


def _deploy(made: Scenario, elf: bytes) -> None:
    payer, program, buffer = PAYER.pubkey(), PROGRAM.pubkey(), BUFFER.pubkey()
    rent = LAMPORTS // 1_000
    making = make_buffer(payer, buffer, length=len(elf), lamports=rent)
    made.step("make a buffer", *making, signers=(BUFFER,))
    for place, instruction in enumerate(write_chunks(payer, buffer, elf)):
        made.step(f"write {place}", instruction)
    deploying = deploy_buffer(payer, program, buffer, length=len(elf), lamports=rent)
    made.step("deploy", *deploying, signers=(PROGRAM,))


def _make(made: Scenario) -> None:
    payer = PAYER.pubkey()
    making = initialise(
        PROGRAM.pubkey(), payer, lane=(chain_key(HUB), CHAIN), limits=LIMITS, guardian_set=SET
    )
    made.step("make a vault", making, slot=DEPLOYED_SLOT)
    made.step("make it again", making)
    made.step("list", list_asset(AT, payer, token=TOKEN, capacity=CAPACITY))
    made.step("lock before the seal", _lock(LOCKED), signers=(ALICE,))
    made.step("seal while it may be replaced", seal(AT, payer))
    made.step("give up the right to replace", make_final(payer, PROGRAM.pubkey()))
    made.step("seal", seal(AT, payer))
    made.step("lock", _lock(LOCKED), signers=(ALICE,))
    made.step("lock for an EVM key", _lock(700, EVM_ACCOUNT), signers=(ALICE,))
    made.step("lock more than there is", _lock(UNITS), signers=(ALICE,))


def _pay(made: Scenario) -> None:
    release = made.message(MessageKind.RELEASE)
    seize = made.message(MessageKind.SEIZE)
    made.messages += [release, seize]
    made.deliver("release", release, _attested(release))
    made.deliver("release again", release, _attested(release))
    made.deliver("seize", seize, _attested(seize))


def _refuse(made: Scenario) -> None:
    message = made.message(MessageKind.RELEASE)
    made.messages.append(message)
    right = _attested(message)
    first, second, third = right.signatures
    other = _attested(made.message(MessageKind.RELEASE)).signatures[0]
    scalar = SECP256K1_ORDER - int.from_bytes(third[32:64], "big")
    high_s = third[:32] + scalar.to_bytes(32, "big") + bytes((55 - third[64],))
    digest = attestation_digest(
        chain_id=CHAIN, contract=message.vault, message_id=message.message_id, guardian_set_index=0
    )
    stranger = OUTSIDER.sign(digest)
    broken = {
        "one signature too few": (first, second),
        "one signature twice": (first, second, second),
        "signatures in another order": (first, third, second),
        "a high s": (first, second, high_s),
        "a signature of an outsider": (stranger, first, second),
        "a signature of another message": (other, second, third),
        "a forged signature": (first, second, third[:40] + b"\x00" * 24 + third[64:]),
        "a v of 29": (first, second, third[:64] + bytes((29,))),
    }
    for name, signatures in broken.items():
        made.deliver(name, message, Attestation(message.message_id, 0, signatures))
    altered = replace(message, amount_units=RELEASED + 1)
    made.deliver("another amount", altered, Attestation(altered.message_id, 0, right.signatures))
    made.now += 601
    made.deliver("too late", message, right)


def _rotate(made: Scenario) -> None:
    set_hash = guardian_set_hash(
        index=NEXT_SET.index, threshold=NEXT_SET.threshold, members=NEXT_SET.members
    )
    nobody = {"account": NO_WORD, "recipient": NO_WORD}
    message = made.message(MessageKind.GUARDIAN_SET, token=set_hash, amount_units=1, **nobody)
    late = made.message(MessageKind.RELEASE)
    made.messages += [message, late]
    made.step("stage a set", stage_set(AT, PAYER.pubkey(), guardian_set=NEXT_SET))
    rotation = rotate_set(
        AT,
        PAYER.pubkey(),
        message=message,
        attestation=_attested(message),
        guardian_set=NEXT_SET,
    )
    made.step("rotate", rotation)
    made.step("rotate again", rotation)
    made.deliver("the old set while it overlaps", late, _attested(late))
    made.now += LIMITS.overlap_seconds + 1
    last = made.message(MessageKind.RELEASE)
    made.deliver("the old set when it is outdated", last, _attested(last))


def _leave(made: Scenario) -> None:
    leaving = Exit(ACCOUNT, NO_WORD, TOKEN, ALICE.pubkey())
    signed = Exit(EVM_ACCOUNT, NO_WORD, TOKEN, ALICE.pubkey())
    exit_ = exit_by_opener(AT, ALICE.pubkey(), leaving)
    made.step("exit too early", exit_, signers=(ALICE,))
    made.now = EXIT_SECONDS + LIMITS.overlap_seconds
    made.step("exit", exit_, signers=(ALICE,))
    deadline = made.now + 60
    digest = exit_digest(AT, signed, chain_id=CHAIN, deadline_seconds=deadline)
    for name, key in (("exit by a stranger's signature", OUTSIDER), ("exit signed", EVM_OPENER)):
        made.step(
            name,
            exit_by_signature(AT, signed, deadline_seconds=deadline, signature=key.sign(digest)),
        )


def _lock(units: int, account: bytes = ACCOUNT) -> Instruction:
    deposit = Deposit(
        payer=PAYER.pubkey(),
        depositor=ALICE.pubkey(),
        source=SOURCE.pubkey(),
        account=account,
        units=units,
    )
    return lock(AT, deposit, token=TOKEN)


def _attested(message: Message) -> Attestation:
    return attest(message, chain_id=CHAIN, guardian_set=SET, keys=KEYS[:4])


def run_in_litesvm(made: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the effect of each step in the runtime of the project's release."""
    svm = LiteSVM()
    for each in made["accounts"]:
        owner = Pubkey.from_string(each["owner"])
        account = Account(each["lamports"], bytes.fromhex(each["content"]), owner)
        svm.set_account(Pubkey.from_string(each["key"]), account)
    effects = []
    for step in made["steps"]:
        if step["slot"] is not None:
            svm.warp_to_slot(step["slot"])
        clock = svm.get_clock()
        clock.unix_timestamp = step["now"]
        svm.set_clock(clock)
        svm.expire_blockhash()
        answer = svm.send_transaction(transaction_of(step, svm.latest_blockhash()))
        effects.append(_effect_of(answer) | {"accounts": _states(svm, made["watched"])})
    return effects


def _effect_of(answer: TransactionMetadata | FailedTransactionMetadata) -> dict[str, Any]:
    if isinstance(answer, FailedTransactionMetadata):
        code = getattr(getattr(answer.err(), "err", None), "code", None)
        units = answer.meta().compute_units_consumed()
        return {"error": str(answer.err()), "code": code, "units": units}
    return {"error": "", "code": None, "units": answer.compute_units_consumed()}


def _states(svm: LiteSVM, keys: list[str]) -> list[list[str]]:
    found = [svm.get_account(Pubkey.from_string(key)) for key in keys]
    return [[] if each is None else [str(each.owner), bytes(each.data).hex()] for each in found]
