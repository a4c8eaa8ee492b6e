"""Debt of one account at one credit line: its own part, parts taken over, interest on all."""

from dataclasses import dataclass, replace

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

    The sum of own and assumed is what the chain says the borrower owes. own_units is below zero
    only while a borrowing that was taken over in part stands in no block: a reorg took it away.

    Args:
        ahead_units: interest that the hub booked after the credit line's last word, when it moved
            the debt; the credit line's next word may be that much lower.
    """

    own_units: int
    assumed: tuple[AssumedPart, ...] = ()
    ahead_units: int = 0

    def __post_init__(self) -> None:
        if self.ahead_units < 0 or any(part.units < 0 for part in self.assumed):
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

    When nothing is owed on the own part it falls on the first part that owes something. Interest
    below zero takes back what was booked ahead, and no part below zero.
    """
    owed = [max(0, state.own_units), *(part.units for part in state.assumed)]
    total_units = sum(owed)
    if interest_units == 0 or total_units == 0:
        return replace(state, own_units=state.own_units + interest_units)
    size_units = abs(interest_units)
    shares = [mul_div(size_units, units, total_units, Rounding.DOWN) for units in owed]
    rest_units = size_units - sum(shares)
    for at, units in enumerate(owed):
        room_units = rest_units if interest_units > 0 and units else units - shares[at]
        taken_units = min(rest_units, max(0, room_units))
        shares[at] += taken_units
        rest_units -= taken_units
    if rest_units:
        raise InvariantError(f"{size_units} units of interest are taken back from {state}")
    sign = 1 if interest_units > 0 else -1
    assumed = tuple(
        AssumedPart(part.assumer, part.units + sign * share)
        for part, share in zip(state.assumed, shares[1:], strict=True)
    )
    return replace(state, own_units=state.own_units + sign * shares[0], assumed=assumed)


def after_borrowing(
    state: DebtState, *, account: bytes, units: int, total_after_units: int
) -> tuple[DebtState, int]:
    """
    Return the state after a borrowing, and the interest it brought to light.

    Raises:
        DebtMismatchError: the chain reports less than the ledger knows.
    """
    interest_units = total_after_units - units - state.total_units
    if interest_units < -state.ahead_units:
        raise DebtMismatchError(
            account=account,
            expected_units=units + state.total_units - state.ahead_units,
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
    if interest_units < -state.ahead_units:
        raise DebtMismatchError(
            account=account,
            expected_units=state.total_units - state.ahead_units,
            found_units=total_after_units + units,
        )
    accrued = with_interest(state, interest_units)
    rest_units = units
    parts = {part.assumer: part.units for part in accrued.assumed}
    if payer_account in parts:
        rest_units = _pay(parts, payer_account, rest_units)
    own_paid_units = min(max(0, accrued.own_units), rest_units)
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
