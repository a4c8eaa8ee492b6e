"""Who may correct the ledger: a majority of different people, or nobody; how many liquidate."""

from typing import Any

import pytest

from relayer.sections import LIQUIDATORS_MAX
from tests.relayer.api.kit import deployment_settings, signer

SIGNERS = tuple("0x" + signer(f"accountant {n}").address[12:].hex() for n in range(3))


def corrections(**section: Any) -> Any:
    """Return the section as the settings have it."""
    return deployment_settings(corrections=section).corrections


def test_nobody_may_correct_unless_it_is_configured() -> None:
    """The default has no signers."""
    assert deployment_settings().corrections.signers == ()


def test_a_majority_is_accepted() -> None:
    """Two of three."""
    assert corrections(signers=SIGNERS, threshold=2).threshold == 2


@pytest.mark.parametrize(
    ("section", "mistake"),
    [
        ({"signers": SIGNERS, "threshold": 1}, "corrections.threshold: 1 of 3"),
        ({"signers": SIGNERS, "threshold": 4}, "corrections.threshold: 4 of 3"),
        ({"signers": SIGNERS[:1] * 2, "threshold": 2}, "corrections.signers: .* stands twice"),
        ({"signers": ["0x12"], "threshold": 1}, "20 or 32 are needed"),
        ({"signer": SIGNERS}, "Extra inputs"),
    ],
)
def test_a_wrong_section_is_named(section: dict[str, Any], mistake: str) -> None:
    """Each mistake says what is needed."""
    with pytest.raises(ValueError, match=mistake):
        deployment_settings(corrections=section)


@pytest.mark.parametrize("count", [LIQUIDATORS_MAX, LIQUIDATORS_MAX + 1])
def test_no_more_liquidators_are_configured_than_guardians_can_be_told_of(count: int) -> None:
    """One more is a mistake of the configuration, named by its field."""
    liquidators = [
        {"account": "0x" + number.to_bytes(32, "big").hex(), "recipients": []}
        for number in range(1, count + 1)
    ]
    if count == LIQUIDATORS_MAX:
        assert len(deployment_settings(liquidators=liquidators).liquidators) == count
        return

    with pytest.raises(ValueError, match=r"(?s)liquidators.*at most 16"):
        deployment_settings(liquidators=liquidators)
