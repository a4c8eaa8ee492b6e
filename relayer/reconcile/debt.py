"""Debt of one account at one credit line: its own part, parts taken over, interest on all."""

from dataclasses import dataclass

from relayer.errors import InvariantError
from relayer.money import RAY, Rounding, mul_div
from relayer.reconcile.errors import DebtMismatchError


@dataclass(frozen=True, slots=True)
class AssumedPart:
    """What one liquidator took over of an account's debt. [debt token base units]"""

    assumer: bytes
    units: int


@dataclass(frozen=True, slots=True)
class DebtState:
    """
    Debt of one borrower as the ledger has it, all phases counted. [debt token base units]

    own_units may not be below zero; the sum of own and assumed is what the chain says the
    borrower owes.
    """

    own_units: int
    assumed: tuple[AssumedPart, ...] = ()

    def __post_init__(self) -> None:
        if self.own_units < 0 or any(part.units < 0 for part in self.assumed):
            raise InvariantError(f"a debt is below zero: {self}")

    @property
    def total_units(self) -> int:
        """What the borrower's debt on the chain amounts to."""
        return self.own_units + sum(part.units for part in self.assumed)


def owed_units(scaled: int, index_ray: int) -> int:
    """Return scaled * index / 1e27, rounded up as the credit line does."""
    return mul_div(scaled, index_ray, RAY, Rounding.UP)


def with_interest(state: DebtState, interest_units: int) -> DebtState:
    """
    Spread interest over the parts in proportion; what rounding leaves falls on the own part.

    When nothing is owed on the own part it falls on the last assumed part.
    """
    total_units = state.total_units
    if interest_units == 0 or total_units == 0:
        return DebtState(state.own_units + interest_units, state.assumed)
    shares = [
        mul_div(interest_units, part.units, total_units, Rounding.DOWN) for part in state.assumed
    ]
    rest_units = interest_units - sum(shares)
    if state.own_units == 0:
        shares[-1] += rest_units
        rest_units = 0
    assumed = tuple(
        AssumedPart(part.assumer, part.units + share)
        for part, share in zip(state.assumed, shares, strict=True)
    )
    return DebtState(state.own_units + rest_units, assumed)


def after_borrowing(
    state: DebtState, *, account: bytes, units: int, total_after_units: int
) -> tuple[DebtState, int]:
    """
    Return the state after a borrowing, and the interest it brought to light.

    Raises:
        DebtMismatchError: the chain reports less than the ledger knows.
    """
    interest_units = total_after_units - units - state.total_units
    if interest_units < 0:
        raise DebtMismatchError(
            account=account,
            expected_units=units + state.total_units,
            found_units=total_after_units,
        )
    accrued = with_interest(state, interest_units)
    return DebtState(accrued.own_units + units, accrued.assumed), interest_units


def after_repayment(
    state: DebtState,
    *,
    account: bytes,
    payer_account: bytes | None,
    units: int,
    total_after_units: int,
) -> tuple[DebtState, int]:
    """
    Return the state after a repayment, and the interest it brought to light.

    A payer who took over a part pays that part first; then the own part, then other parts.

    Raises:
        DebtMismatchError: the chain reports less than the ledger knows.
    """
    interest_units = total_after_units + units - state.total_units
    if interest_units < 0:
        raise DebtMismatchError(
            account=account,
            expected_units=state.total_units,
            found_units=total_after_units + units,
        )
    accrued = with_interest(state, interest_units)
    rest_units = units
    parts = {part.assumer: part.units for part in accrued.assumed}
    if payer_account in parts:
        rest_units = _pay(parts, payer_account, rest_units)
    own_paid_units = min(accrued.own_units, rest_units)
    rest_units -= own_paid_units
    for assumer in sorted(parts):
        rest_units = _pay(parts, assumer, rest_units)
    if rest_units:
        raise InvariantError(f"a repayment of {units} is {rest_units} above the debt")
    assumed = tuple(AssumedPart(part.assumer, parts[part.assumer]) for part in accrued.assumed)
    return DebtState(accrued.own_units - own_paid_units, assumed), interest_units


def _pay(parts: dict[bytes, int], assumer: bytes, rest_units: int) -> int:
    paid_units = min(parts[assumer], rest_units)
    parts[assumer] -= paid_units
    return rest_units - paid_units
