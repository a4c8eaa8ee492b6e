"""The numbers of the story: what is locked, borrowed and asked for, and how far prices fall."""

from typing import Final

from chains.devnet.kit import FEED_SCALE, USDC, WETH
from chains.devnet.solana_kit import SOL

LOCKED_WETH: Final = 10 * WETH
LOCKED_USDC: Final = 10_000 * USDC
LOCKED_SOLANA_USDC: Final = 5_000 * USDC
LOCKED_SOL: Final = 50 * SOL
BACKSTOP_USDC: Final = 50_000 * USDC
LIMIT_USDC: Final = 30_000 * USDC
BORROWED_USDC: Final = 29_500 * USDC
UNLOCKED_WETH: Final = 1 * WETH
UNLOCKED_SOL: Final = 5 * SOL
TOO_MUCH_WETH: Final = 5 * WETH
FALLEN_WETH_ANSWER: Final = 1_500 * 10**FEED_SCALE
FALLEN_SOL_ANSWER: Final = 100 * 10**FEED_SCALE
SEIZURES: Final = 2  # all SOL on S, then WETH on A up to the target
# Initial and maintenance weight, and what is taken off for the way there. [bps]
WETH_ON_A: Final = (7_600, 8_100, 100)
USDC_ON_B: Final = (9_050, 9_350, 50)
USDC_ON_S: Final = (8_850, 9_150, 50)
SOL_ON_S: Final = (6_800, 7_300, 150)
