"""Tests of what accounts owe: the sum of what was booked and cured."""

from relayer.money import AssetId
from relayer.store.deficits import Deficit, DeficitAction
from relayer.store.unit_of_work import Store
from tests.relayer.store.samples import ANN, BOB, CHAIN, OTHER_CHAIN, UINT256_MAX

WETH, USDC = AssetId("WETH"), AssetId("USDC")


def test_what_is_owed_is_what_was_booked_less_what_was_cured(store: Store) -> None:
    """By account, asset and chain; what is paid back is not listed."""
    with store.unit_of_work() as uow:
        parts = (
            (DeficitAction.BOOKED, Deficit(ANN, WETH, CHAIN, UINT256_MAX)),
            (DeficitAction.BOOKED, Deficit(ANN, WETH, CHAIN, 5)),
            (DeficitAction.CURED, Deficit(ANN, WETH, CHAIN, 6)),
            (DeficitAction.BOOKED, Deficit(ANN, USDC, CHAIN, 3)),
            (DeficitAction.CURED, Deficit(ANN, USDC, CHAIN, 3)),
            (DeficitAction.BOOKED, Deficit(BOB, WETH, OTHER_CHAIN, 1)),
        )
        for number, (action, deficit) in enumerate(parts):
            uow.deficits.record(number.to_bytes(32, "big"), action, deficit)

    with store.read() as uow:
        assert uow.deficits.open() == (
            Deficit(ANN, WETH, CHAIN, UINT256_MAX - 1, 3),
            Deficit(BOB, WETH, OTHER_CHAIN, 1, 1),
        )
        assert uow.deficits.open(CHAIN) == uow.deficits.open(account=ANN)
        assert uow.deficits.open(CHAIN, BOB) == ()
