"""The statement for people: names instead of ids, nothing cut off at 100 columns."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from relayer.cli.demo.statement import Statement
from relayer.cli.demo.statement_text import code_text, print_statement, short

OWNER = "0x" + "a1" * 32
LIQUIDATOR = "0x" + "b2" * 32
VAULT = "0x" + "00" * 12 + "c3" * 20
CHAIN_A = "eip155:31337"
CHAIN_C = "eip155:31339"
CHAIN_S = "solana:2bUSYaZ9pFRH2JRiwbvkpzFNJ61hk4yS"
MESSAGE_ID = "0x" + "d4" * 32
THREAD_ID = "0x" + "e5" * 32
UNITS = 3_436_620_959_500_497_215
NAMES = {OWNER: "owner", LIQUIDATOR: "liquidator", VAULT: "vault"}

MESSAGE: dict[str, Any] = {
    "message_id": MESSAGE_ID,
    "kind": "credit_grant",
    "target_chain": CHAIN_A,
    "account": LIQUIDATOR,
    "amount_units": str(UNITS),
    "asset_id": "WETH",
    "scale": 18,
    "signed_by": ["guardian-1", "guardian-3"],
    "state": "CONFIRMED",
    "correlation_id": THREAD_ID,
    "moments": {"decided": 100, "attested": 101, "confirmed": 104},
    "latencies_seconds": {"attested": 1, "confirmed": 3},
}


WEIGHTS: list[dict[str, Any]] = [
    {"asset_id": "SOL", "chain_id": CHAIN_S, "weight_bps": 7_150},
    {"asset_id": "WETH", "chain_id": CHAIN_A, "weight_bps": 800},
]
LIQUIDATED: dict[str, Any] = {
    "asset_id": "WETH",
    "chain_id": CHAIN_A,
    "weight_bps": 800,
    "debt": f"USDC owed to lendco on {CHAIN_C}",
    "repaid": "10450781233",
    "seized": str(UNITS),
    "bonus_bps": "697",
    "factor_before": "0.970",
    "factor_after": "1.050",
    "sized_by": "close_factor",
}


def amount(units: int) -> dict[str, Any]:
    """Return the fields of an amount in WETH."""
    return {"asset_id": "WETH", "chain_id": CHAIN_A, "scale": 18, "units": str(units)}


def sample(*, is_right: bool) -> Statement:
    """Return a small statement with the widest amounts."""
    return Statement(
        {
            "summary": f"ledger equals chain: {int(is_right)} of 1 custody accounts, to the unit",
            "is_right": is_right,
            "setup_seconds_estimate": 9.5,
            "story_seconds_estimate": 31.0,
            "latencies_seconds_estimate": {"open": 0.25},
            "results": {"unlock_refused": "insufficient_margin: [too] much"},
            "chains": [
                {"letter": "A", "chain_id": CHAIN_A, "contract": VAULT, "role": "vault"},
                {"letter": "C", "chain_id": CHAIN_C, "contract": VAULT, "role": "credit line"},
                {"letter": "S", "chain_id": CHAIN_S, "contract": THREAD_ID, "role": "vault"},
            ],
            "parties": {"owner": OWNER, "liquidator": LIQUIDATOR},
            "entries": [
                {
                    "seq": 13,
                    "kind": "liquidation.moved",
                    "phase": "POSTED",
                    "cause": MESSAGE_ID,
                    "cause_is": f"event of chain {CHAIN_A}",
                    "correlation_id": THREAD_ID,
                    "postings": [
                        {"code": f"assumed:lendco:{OWNER}:{LIQUIDATOR}", **amount(UNITS)},
                        {"code": f"margin:{LIQUIDATOR}", **amount(-UNITS)},
                    ],
                }
            ],
            "messages": [MESSAGE],
            "weights": WEIGHTS,
            "liquidations": [LIQUIDATED],
            "ledger": {"ok": True, "entries_count": 1},
            "custody": [
                {
                    "height": "7",
                    "ledger_units": str(UNITS),
                    "held_units": str(UNITS),
                    "ledger_locks": "1",
                    "vault_locks": "1",
                    "is_equal": is_right,
                    **amount(UNITS),
                }
            ],
            "debts": [],
            "debts_summary": "ledger debt equals chain debt: 0 of 0 debts, to the unit",
            "guardians_summary": "guardian ledgers: 3 of 3 equal",
        },
        is_right,
    )


def printed(statement: Statement, *, width: int) -> list[str]:
    """Return what is printed on a terminal of a width."""
    screen = StringIO()
    print_statement(statement, Console(file=screen, width=width))
    return [line.rstrip() for line in screen.getvalue().splitlines()]


@pytest.mark.parametrize("width", [100, 200])
def test_amounts_and_ids_are_whole_at_any_width(width: int) -> None:
    """Amounts keep every digit beside their account, ids their first eight."""
    lines = printed(sample(is_right=True), width=width)

    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert text.count("+3.436620959500497215 WETH") == 1
    assert text.count("-3.436620959500497215 WETH") == 1
    assert "event of A d4d4d4d4" in text
    assert "thread e5e5e5e5" in text
    assert any("credit_grant" in line and "confirmed" in line and "1 3" in line for line in lines)
    assert "insufficient_margin: [too] much" in text
    assert "…" not in text


@pytest.mark.parametrize("is_right", [True, False])
def test_the_last_line_says_whether_all_is_equal(is_right: bool) -> None:
    """The verdict comes last, after the guardians'."""
    lines = printed(sample(is_right=is_right), width=100)

    assert lines[-1] == f"ledger equals chain: {int(is_right)} of 1 custody accounts, to the unit"
    assert lines[-2] == "guardian ledgers: 3 of 3 equal"
    assert any(line.endswith("NO") for line in lines) is not is_right


def test_a_liquidation_is_shown_with_its_reasons() -> None:
    """What was taken at which weight, and the order in which all collateral would be."""
    text = " ".join(" ".join(printed(sample(is_right=True), width=100)).split())

    taken = "WETH on A 0.0800 10,450.781233 USDC 3.436620959500497215 WETH 0.970 -> 1.050"
    assert f"{taken} close_factor" in text
    assert "heals most per USD repaid, so the order is SOL on S 0.7150, WETH on A 0.0800" in text


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (f"margin:{OWNER}", "margin:owner"),
        (f"vault:{VAULT}", "vault"),
        (f"assumed:lendco:{OWNER}:{LIQUIDATOR}", "assumed:lendco:owner:liquidator"),
        ("insurance", "insurance"),
        (f"margin:0x{'f6' * 32}", "margin:f6f6f6f6"),
    ],
)
def test_an_account_code_is_read_by_names(code: str, text: str) -> None:
    """Ids that the story knows have names; others are short."""
    assert code_text(code, NAMES) == text


def test_an_id_is_shown_by_its_first_digits() -> None:
    """Eight digits, without 0x; other texts stay as they are."""
    assert short(MESSAGE_ID) == "d4d4d4d4"
    assert short("lendco") == "lendco"
