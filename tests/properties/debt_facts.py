"""What a debt is made of: liquidators, their liquidations, and what those do to it."""

from typing import Final

from chains.command import Liquidation, OpenAccount
from chains.events import CollateralSeized
from chains.message import Message
from relayer.reconcile.debt import AssumedPart, DebtState
from tests.databases import NOW
from tests.relayer.api.kit import (
    ACCOUNT,
    CHAIN_A,
    CHAIN_C,
    LINE_C,
    SALT,
    VAULT_A,
    WETH_A,
    Signer,
    signer,
)
from tests.relayer.steps.world import LIQ, LIQ_RECIPIENT, position_at

OTHER_LIQ: Final = signer("other liquidator")
LIQUIDATORS: Final = (LIQ, OTHER_LIQ)


def opening_of(key: Signer) -> OpenAccount:
    """Return the command that opens a liquidator's account."""
    return OpenAccount(opener=key.address, salt=SALT)


def taken_over(state: DebtState, command: Liquidation) -> DebtState:
    """Return a debt after a liquidation."""
    parts = {part.assumer: part.units for part in state.assumed}
    parts[command.liquidator] = parts.get(command.liquidator, 0) + command.repaid
    assumed = tuple(AssumedPart(assumer, parts[assumer]) for assumer in sorted(parts))
    return DebtState(state.own_units - command.repaid, assumed)


def liquidation(key: Signer, units: int, number: int) -> Liquidation:
    """Return a liquidation by a liquidator; number makes it another one."""
    return Liquidation(
        account=ACCOUNT,
        liquidator=opening_of(key).account,
        debt_chain=CHAIN_C,
        credit_line=LINE_C,
        repaid=units,
        collateral_chain=CHAIN_A,
        vault=VAULT_A,
        token=WETH_A,
        seized=1_000 + number,
        insured=0,
        recipient=LIQ_RECIPIENT,
        decided_at=NOW,
    )


def seized(message: Message, number: int) -> CollateralSeized:
    """Return the event with which the vault executed a seizure."""
    return CollateralSeized(
        position=position_at(number, CHAIN_A, VAULT_A, 0),
        message_id=message.message_id,
        account=message.account,
        token=message.token,
        recipient=message.recipient,
        units=message.amount_units,
        held_after_units=0,
    )
