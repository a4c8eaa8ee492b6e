"""Every reason and every state has words for a person."""

from relayer.cli.advice import ADVICE, STATE_TEXT
from relayer.outbox.life import MessageState, WaitReason


def test_every_reason_has_advice() -> None:
    """A new reason cannot be forgotten."""
    assert set(ADVICE) == set(WaitReason)
    assert all(advice.waits_for and advice.to_do for advice in ADVICE.values())


def test_every_state_has_words() -> None:
    """A new state cannot be forgotten."""
    assert set(STATE_TEXT) == set(MessageState)


def test_advice_fits_into_its_sentence() -> None:
    """No full stop at its end: the sentence brings one."""
    for advice in ADVICE.values():
        assert not advice.waits_for.endswith(".")
        assert not advice.to_do.endswith(".")
