"""What reconciliation says when a fact does not fit the ledger."""

from relayer.errors import RelayerError


class DebtMismatchError(RelayerError):
    """A credit line reports less debt than the ledger knows: a fact was missed or forged."""

    def __init__(self, *, account: bytes, expected_units: int, found_units: int) -> None:
        super().__init__(
            f"account 0x{account.hex()}: the credit line leaves a debt of {found_units} units, "
            f"the ledger expects at least {expected_units}"
        )
        self.account = account
        self.expected_units = expected_units
        self.found_units = found_units
