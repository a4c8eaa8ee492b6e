"""Speed of the risk core: the screen over 100,000 accounts of 16 lines, and one price tick."""

import random
from array import array
from typing import Final

from chains.types import ChainId
from relayer.assets import Path
from relayer.money import BPS, WAD, AssetId
from relayer.oracle.price import Price, PriceBook
from relayer.risk.book import RiskBook, assess_accounts
from relayer.risk.kernel import IS_COMPILED, near_rows, near_rows_reference
from relayer.risk.margin import CollateralLine, DebtLine, Position
from relayer.risk.parameters import PathParameters, RiskParameters
from relayer.risk.reach import ReachIndex
from tests.bench.report import best_seconds, register

ACCOUNTS: Final = 100_000
COLUMNS: Final = 16
MILLION: Final = 1_000_000
BOOK_ACCOUNTS: Final = 20_000
ASSETS: Final = tuple(AssetId(f"A{index:02d}") for index in range(12))
HOME: Final = ChainId("eip155:1")
BASKETS: Final = tuple(random.Random(basket).sample(ASSETS, 4) for basket in range(40))
MILLISECONDS: Final = 1_000
TARGET_MS: Final = 50.0


def bench_screen() -> None:
    """Time the kernel against its plain reference, a memory copy and the published target."""
    source = random.Random(7)
    quanta = array("q", (source.randrange(2**50) for _ in range(ACCOUNTS * COLUMNS)))
    factors = array("q", (source.randrange(2**56) - 2**55 for _ in range(COLUMNS)))
    kernel_ms = MILLISECONDS * best_seconds(lambda: near_rows(quanta, factors, 0), repeats=20)
    plain_ms = MILLISECONDS * best_seconds(
        lambda: near_rows_reference(quanta, factors, 0), repeats=2
    )
    filled = b"\x02" * (len(quanta) * quanta.itemsize)  # zeros would be one shared page
    read_ms = MILLISECONDS * best_seconds(lambda: filled.find(1), repeats=20)
    size = f"{ACCOUNTS} accounts x {COLUMNS} lines, one core"
    compiled = "compiled" if IS_COMPILED else "NOT compiled"
    register(
        "risk.screen_vs_reference",
        ours=kernel_ms,
        other=plain_ms,
        unit="ms",
        how=f"{size}, {compiled} kernel against plain Python",
    )
    register(
        "risk.screen_vs_memory_read",
        ours=kernel_ms,
        other=read_ms,
        unit="ms",
        how=f"{size}, kernel against memchr over as many bytes: the memory limit",
    )
    register(
        "risk.screen_vs_target",
        ours=kernel_ms,
        other=TARGET_MS,
        unit="ms",
        how=f"{size}, kernel against the 50 ms asked for (R-1)",
    )


def check_million_rows() -> None:
    """Compare the kernel with its reference on a million random rows; raise where they differ."""
    source = random.Random(13)
    quanta = array("q")
    quanta.frombytes(source.randbytes(8 * MILLION * COLUMNS))
    for _ in range(3):
        factors = array("q", (source.randrange(2**58) - 2**57 for _ in range(COLUMNS)))
        if near_rows(quanta, factors, 0) != near_rows_reference(quanta, factors, 0):
            raise SystemExit("the kernel differs from its reference; do not release it")
    print(f"kernel equals its reference on {MILLION} rows of {COLUMNS}, 3 factor sets")


def random_account(source: random.Random, index: int) -> Position:
    """Return an account with four collaterals and one debt, at a factor of 1.1 to 2.5."""
    paths = source.choice(BASKETS)
    lines = tuple(
        CollateralLine(Path(asset_id, HOME, "guardian"), source.randrange(1, 10**20))
        for asset_id in paths
    )
    carried = sum(line.final_units for line in lines) * 8_000 // BPS
    owed_units = carried * 10_000 // source.randrange(11_000, 25_000)
    debt = DebtLine(source.choice(ASSETS[:3]), HOME, "credit", owed_units)
    return Position(index.to_bytes(32, "big"), lines, (debt,))


def prices_with(changed: AssetId, price_wad: int) -> PriceBook:
    """Return prices of one USD, one asset changed."""
    return PriceBook(
        {
            asset_id: Price(asset_id, wad, wad, wad, age_seconds=0)
            for asset_id in ASSETS
            for wad in (price_wad if asset_id == changed else WAD,)
        }
    )


def bench_tick() -> None:
    """Time one price tick: everybody exactly, the screened book, and only the reached."""
    source = random.Random(11)
    parameters = RiskParameters(
        epoch=1,
        scales=dict.fromkeys(ASSETS, 18),
        paths={
            Path(asset_id, HOME, "guardian"): PathParameters(7_500, 8_000) for asset_id in ASSETS
        },
        debt_weights_bps=dict.fromkeys(ASSETS, BPS),
    )
    positions = [random_account(source, index) for index in range(BOOK_ACCOUNTS)]
    book = RiskBook(parameters.scales)
    for position in positions:
        book.put(position)
    index = ReachIndex(positions, parameters=parameters, anchor=prices_with(ASSETS[0], WAD))
    tick = prices_with(ASSETS[0], WAD * 97 // 100)

    def everybody() -> object:
        return assess_accounts(positions, parameters=parameters, prices=tick)

    def screened() -> object:
        return book.assess(parameters=parameters, prices=tick)

    def reached() -> object:
        return assess_accounts(
            (held for account in index.reached(tick) if (held := book.position(account))),
            parameters=parameters,
            prices=tick,
        )

    exact_ms = MILLISECONDS * best_seconds(everybody, repeats=2)
    for name, run in (("screened_book", screened), ("reached_only", reached)):
        register(
            f"risk.tick_{name}_vs_everybody",
            ours=MILLISECONDS * best_seconds(run, repeats=10),
            other=exact_ms,
            unit="ms",
            how=f"one price down 3 %, {BOOK_ACCOUNTS} accounts of 40 baskets, against all",
        )


if __name__ == "__main__":
    check_million_rows()
    bench_screen()
    bench_tick()
