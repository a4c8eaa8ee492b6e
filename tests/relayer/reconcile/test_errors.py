"""What reconciliation says when a fact does not fit the ledger."""

from relayer.reconcile.errors import DebtMismatchError


def test_a_mismatch_names_account_and_both_numbers() -> None:
    """A person can look both up."""
    error = DebtMismatchError(account=b"\x0a" * 32, expected_units=70, found_units=60)

    assert "0x0a0a" in str(error)
    assert "70" in str(error)
    assert "60" in str(error)
    assert (error.account, error.expected_units, error.found_units) == (b"\x0a" * 32, 70, 60)
