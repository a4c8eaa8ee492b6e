"""The doctor's words about how long a vault's owners still need a message to leave."""

from chains.inspection import ExitTerms
from relayer.cli.checks import BrokenError, WarningError
from relayer.cli.render import age_text


def exit_text(terms: ExitTerms) -> str:
    """
    Return how long it is until owners may leave by themselves.

    Raises:
        WarningError: less than half of the exit delay is left.
        BrokenError: they may leave now.
    """
    delay = f"the exit delay is {age_text(terms.exit_delay_seconds)}"
    if terms.left_seconds < 0:
        raise BrokenError(
            f"owners may leave without a message since {age_text(-terms.left_seconds)}; {delay}"
        )
    text = f"without a message owners may leave after {age_text(terms.left_seconds)}; {delay}"
    if terms.is_half_gone:
        raise WarningError(text)
    return text
