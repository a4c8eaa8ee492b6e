"""The doctor's check of what a chain's watcher has stored about its nodes."""

from typing import Final

from relayer.cli.checks import BrokenError, Check, WarningError, attempt
from relayer.cli.render import age_text
from relayer.sections import ChainSettings
from relayer.store.conditions import Condition, StoredNode
from relayer.store.unit_of_work import Store

DISSENT_AGE_SECONDS_MAX: Final = 86_400  # an older one is history


def check_quorum(store: Store, chain: ChainSettings) -> Check:
    """Return whether enough nodes agree, and which do not stand well or have dissented."""

    def run() -> str:
        with store.read() as uow:
            condition = uow.conditions.condition(chain.id)
            nodes = [node for node in uow.conditions.nodes(chain.id) if node.label in chain.labels]
        now_seconds = store.clock.now()
        if condition is not None and condition.condition is Condition.QUORUM_LOST:
            age = age_text(max(now_seconds - condition.since_at, 0))
            raise BrokenError(f"quorum lost for {age}: {condition.detail}")
        texts = [text for node in nodes for text in _findings(node, now_seconds)]
        if texts:
            raise WarningError("; ".join(texts))
        if condition is None:
            return "no watcher has read this chain yet"
        return "enough nodes agree; none was demoted or dissented within a day"

    return attempt("chain.quorum", chain.chain_id, run)


def _findings(node: StoredNode, now_seconds: int) -> list[str]:
    texts = []
    if node.standing.value != "HEALTHY":
        age = age_text(max(now_seconds - node.since_at, 0))
        texts.append(f"{node.label} is {node.standing.value} for {age}: {node.reason}")
    if node.dissented_at is not None and (
        now_seconds - node.dissented_at <= DISSENT_AGE_SECONDS_MAX
    ):
        age = age_text(max(now_seconds - node.dissented_at, 0))
        texts.append(f"{node.label} dissented {node.dissents} times, last {age} ago")
    return texts
