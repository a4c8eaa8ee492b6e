"""What a lying hub might ask of a guardian: each field changed once, and the word to expect."""

from dataclasses import replace
from typing import Any

import pytest

from chains.command import Liquidation, SignedCommand
from chains.message import MessageKind
from chains.types import ChainId, chain_key
from relayer.errors import RefusedError
from relayer.guardian.request import AttestationRequest
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    BOB,
    CHAIN_A,
    CHAIN_B,
    CHAIN_C,
    CREDIT,
    LINE_C,
    OPERATOR,
    UNLOCK,
    VAULT_A,
    VAULT_B,
    WETH_A,
)
from tests.relayer.steps.world import (
    DOLLAR,
    ETHER,
    LIQ_ACCOUNT,
    LIQ_RECIPIENT,
    SIGNATORY,
    SIGNED_CREDIT,
    SIGNED_OPEN,
    SIGNED_UNLOCK,
    kinds_booked,
    request_of,
    signed,
)

WORD = bytes(31) + b"\x63"
# 10 ether at 3,000 USD secure 24,000 USD: below one at maintenance, above the plain value.
LIQUIDATION = Liquidation(
    account=ACCOUNT,
    liquidator=LIQ_ACCOUNT,
    debt_chain=CHAIN_C,
    credit_line=LINE_C,
    repaid=5_000 * DOLLAR,
    collateral_chain=CHAIN_A,
    vault=VAULT_A,
    token=WETH_A,
    seized=169 * ETHER // 100,
    insured=2 * ETHER // 1_000,
    recipient=LIQ_RECIPIENT,
    decided_at=NOW,
)
SEIZE = signed(LIQUIDATION)


def unlock(**changes: Any) -> SignedCommand:
    """Return ann's request with changes."""
    return signed(replace(UNLOCK, **changes), ANN)


def credit(**changes: Any) -> SignedCommand:
    """Return a credit request with changes, signed by owner and operator."""
    return signed(replace(CREDIT, **({"expiry": NOW + 3_000} | changes)), ANN, OPERATOR)


def liquidation(**changes: Any) -> SignedCommand:
    """Return the hub's decision with changes."""
    return signed(replace(LIQUIDATION, **changes))


RELEASE_MUTATIONS: list[tuple[str, AttestationRequest, str]] = [
    ("origin", request_of(SIGNED_UNLOCK, origin=chain_key(CHAIN_A)), "origin"),
    ("target", request_of(SIGNED_UNLOCK, target=chain_key(CHAIN_B)), "target"),
    ("vault", request_of(SIGNED_UNLOCK, vault=WORD), "vault"),
    ("vault of another chain", request_of(SIGNED_UNLOCK, vault=VAULT_B), "vault"),
    ("account", request_of(SIGNED_UNLOCK, account=WORD), "account"),
    ("token", request_of(SIGNED_UNLOCK, token=WORD), "token"),
    ("amount", request_of(SIGNED_UNLOCK, amount_units=ETHER + 1), "amount"),
    ("amount below", request_of(SIGNED_UNLOCK, amount_units=ETHER - 1), "amount"),
    ("recipient", request_of(SIGNED_UNLOCK, recipient=BOB.address), "recipient"),
    ("expired", request_of(SIGNED_UNLOCK, expiry_seconds=NOW), "expiry"),
    ("expiry far", request_of(SIGNED_UNLOCK, expiry_seconds=NOW + 604_801), "expiry"),
    ("epoch", request_of(SIGNED_UNLOCK, epoch=2), "epoch"),
    ("evidence", request_of(SIGNED_UNLOCK, evidence=WORD), "evidence"),
    ("nonce", request_of(SIGNED_UNLOCK, nonce=2**64 - 1), "nonce"),
    ("kind", request_of(SIGNED_UNLOCK, kind=MessageKind.SEIZE), "SEIZE"),
    ("kind pause", request_of(SIGNED_UNLOCK, kind=MessageKind.PAUSE), "PAUSE"),
    ("kind set", request_of(SIGNED_UNLOCK, kind=MessageKind.GUARDIAN_SET), "GUARDIAN_SET"),
    ("stranger", request_of(signed(UNLOCK, BOB)), "signer_not_owner"),
    ("no signature", request_of(signed(UNLOCK)), "signatures_missing"),
    ("two signatures", request_of(signed(UNLOCK, ANN, ANN)), "signatures_missing"),
    ("garbage", request_of(SignedCommand(UNLOCK, (bytes(65),))), "signature_invalid"),
    ("short", request_of(SignedCommand(UNLOCK, (bytes(5),))), "signature_invalid"),
    ("other command", replace(request_of(SIGNED_UNLOCK), command=unlock(amount=5)), "evidence"),
    ("deadline", request_of(unlock(deadline=NOW - 1)), "deadline"),
    ("too much", request_of(unlock(amount=11 * ETHER)), "insufficient_collateral"),
    ("no units", request_of(unlock(amount=0)), "amount_invalid"),
    ("unknown token", request_of(unlock(token=WORD)), "unknown_token"),
    (
        "unknown target",
        replace(request_of(SIGNED_UNLOCK), target_chain=ChainId("eip155:9")),
        "unknown",
    ),
    ("opening as command", replace(request_of(SIGNED_UNLOCK), command=SIGNED_OPEN), "kind"),
    (
        "credit line as vault",
        request_of(unlock(chain_id=CHAIN_C, vault=LINE_C)),
        "unknown_vault",
    ),
]
CREDIT_MUTATIONS: list[tuple[str, AttestationRequest, str]] = [
    ("no operator", request_of(signed(SIGNED_CREDIT.command, ANN)), "signatures_missing"),
    ("other operator", request_of(signed(SIGNED_CREDIT.command, ANN, BOB)), "operator"),
    ("no owner", request_of(signed(SIGNED_CREDIT.command, BOB, OPERATOR)), "signer_not_owner"),
    ("swapped", request_of(signed(SIGNED_CREDIT.command, OPERATOR, ANN)), "signer_not_owner"),
    ("unknown line", request_of(credit(credit_line=WORD)), "unknown_vault"),
    ("vault as line", request_of(credit(credit_line=VAULT_A, chain_id=CHAIN_A)), "credit_line"),
    ("other token", request_of(credit(token=WORD)), "token"),
    ("limit", request_of(SIGNED_CREDIT, amount_units=CREDIT.limit + 1), "amount"),
    ("borrower", request_of(SIGNED_CREDIT, recipient=BOB.address), "recipient"),
    ("message expiry", request_of(SIGNED_CREDIT, expiry_seconds=NOW + 3_001), "expiry"),
    ("expiry", request_of(credit(expiry=NOW + 3_601)), "expiry"),
    ("too much", request_of(credit(limit=23_000 * DOLLAR)), "insufficient_margin"),
]
SEIZE_MUTATIONS: list[tuple[str, AttestationRequest, str]] = [
    ("stale", request_of(liquidation(decided_at=NOW - 301)), "decided_at"),
    ("ahead", request_of(liquidation(decided_at=NOW + 301)), "decided_at"),
    ("far", request_of(liquidation(decided_at=2**64 - 1)), "decided_at"),
    ("recipient", request_of(liquidation(recipient=BOB.address)), "liquidator"),
    ("liquidator", request_of(liquidation(liquidator=WORD)), "liquidator"),
    ("account itself", request_of(liquidation(liquidator=ACCOUNT)), "liquidator"),
    ("line", request_of(liquidation(credit_line=WORD)), "credit_line"),
    ("debt chain", request_of(liquidation(debt_chain="\x00")), "credit_line"),
    ("token", request_of(liquidation(token=WORD)), "unknown_token"),
    ("repaid", request_of(liquidation(repaid=30_000 * DOLLAR)), "repaid_units"),
    ("seized", request_of(liquidation(seized=3 * ETHER)), "taken_units"),
    ("huge", request_of(liquidation(seized=2**256 - 1)), "taken_units"),
    ("insured huge", request_of(liquidation(insured=2**256 - 1)), "taken_units"),
    ("no insurance", request_of(liquidation(insured=0)), "insured_units"),
    ("nobody", request_of(liquidation(account=WORD)), "factor"),
    ("message amount", request_of(SEIZE, amount_units=ETHER), "amount"),
    ("message recipient", request_of(SEIZE, recipient=ANN.address), "recipient"),
    ("message account", request_of(SEIZE, account=LIQ_ACCOUNT), "account"),
    ("line as vault", request_of(liquidation(collateral_chain=CHAIN_C, vault=LINE_C)), "liq"),
]


def named(cases: list[tuple[str, AttestationRequest, str]]) -> Any:
    """Return cases as parameters with their names."""
    return [pytest.param(request, word, id=name) for name, request, word in cases]


def refused(store: Store, catalog: Catalog, request: AttestationRequest) -> RefusedError:
    """Return the refusal of a request, which leaves nothing behind."""
    before = kinds_booked(store)
    with pytest.raises(RefusedError) as caught:
        countersign(store, catalog, SIGNATORY, request)
    assert kinds_booked(store) == before
    with store.read() as uow:
        assert uow.outbox.get(request.message.message_id) is None
        assert uow.outbox.signatures(request.message.message_id, 0) == {}
    return caught.value
