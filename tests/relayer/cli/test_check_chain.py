"""The doctor's checks of one chain: each fault is found, named, and hides no other."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from chains.attestation import GuardianSet
from chains.errors import RpcTimeoutError, WrongChainError
from chains.evm import views
from chains.finality import ChainIdentity, Heads
from chains.port import Quote
from chains.types import ChainId, word_of_text
from relayer.cli.check_chain import (
    CLOCK_SKEW_SECONDS_MAX,
    HEAD_AGE_SECONDS_MAX,
    ChainProbe,
    check_chain,
    configured_set,
)
from relayer.cli.checks import REMEDIES, Check, CheckState
from relayer.settings import Settings
from tests.relayer.cli.fake_chain import FakeChain, header
from tests.relayer.cli.samples import VAULT, example_values

NOW = 1_800_000_000
SETTINGS = Settings(**example_values())
FEED = word_of_text("0xfee1111111111111111111111111111111111111")
EXIT_DELAY_SECONDS = 7 * 86_400
CREDIT_LINE = word_of_text("0x3333333333333333333333333333333333333333")


def fake_chain(head_age_seconds: int = 12) -> FakeChain:
    """Return a chain where everything is right."""
    return FakeChain(
        chain_id=ChainId("eip155:1"),
        heads_answer=Heads(
            latest=header(100, NOW - head_age_seconds), finalized=header(90, NOW - 100)
        ),
        set_answer=configured_set(SETTINGS),
        quotes={FEED: Quote(FEED, 200_000_000_000, 8, NOW - 30, 1)},
        numbers={"lastAttestedAt()": NOW - 600, "exitDelay()": EXIT_DELAY_SECONDS},
    )


def examine(
    chain: FakeChain,
    *,
    chain_id: str = "eip155:1",
    settings: Settings = SETTINGS,
    stored_genesis: bytes | None = None,
    nodes: tuple[FakeChain, ...] = (),
) -> dict[str, Check]:
    """Return the findings by code."""

    def compare_identity(identity: ChainIdentity) -> str:
        if stored_genesis not in (None, identity.genesis.block_hash):
            raise WrongChainError(
                chain_id=ChainId(chain_id), field="genesis hash", expected="0x1", found="0x2"
            )
        return "the same"

    probe = ChainProbe(
        settings=settings,
        chain=settings.chain(chain_id),
        reader=chain,
        nodes=nodes or (chain,) * len(settings.chain(chain_id).rpc_urls),
        prices=chain,
        now_seconds=NOW,
        compare_identity=compare_identity,
        exit_terms=partial(views.exit_terms, chain),
    )
    findings, _ = asyncio.run(check_chain(probe))
    return {finding.code: finding for finding in findings}


def broken_codes(findings: dict[str, Check]) -> set[str]:
    """Return the codes of what is broken."""
    return {code for code, found in findings.items() if found.state is CheckState.BROKEN}


def test_a_right_chain_passes_every_check() -> None:
    """All of them run, all are OK, none has a remedy."""
    findings = examine(fake_chain())

    assert set(findings) == {
        "chain.node",
        "chain.nodes",
        "chain.genesis",
        "chain.finality",
        "chain.head",
        "chain.clock",
        "vault.answers",
        "vault.exit",
        "contract.guardians",
        "feed.answers",
    }
    assert {found.state for found in findings.values()} == {CheckState.OK}
    assert {found.remedy for found in findings.values()} == {""}


def test_a_right_credit_line_passes() -> None:
    """A chain with a credit line is asked for its index and its guardians."""
    findings = examine(replace(fake_chain(), quotes={}), chain_id="eip155:42161")

    assert findings["credit_line.answers"].state is CheckState.OK
    assert findings["contract.guardians"].state is CheckState.OK


def test_a_node_that_does_not_answer_is_broken_and_the_rest_skipped() -> None:
    """One cause, one finding."""
    chain = fake_chain()
    chain.identity_answer = RpcTimeoutError(chain_id=chain.chain_id, method="eth_chainId")

    findings = examine(chain)

    assert broken_codes(findings) == {"chain.node"}
    assert findings["chain.finality"].state is CheckState.SKIPPED


def test_one_node_only_says_that_it_is_believed() -> None:
    """It is enough for development; production refuses it."""
    values = example_values() | {"profile": "development"}
    values["chains"][0] |= {
        "rpc_urls": ["http://127.0.0.1:1"],
        "rpc_quorum": 1,
        "rpc_labels": ["own"],
        "rpc_own": ["own"],
    }

    found = examine(fake_chain(), settings=Settings(**values))["chain.nodes"]

    assert found.state is CheckState.OK
    assert "whatever it says is believed" in found.detail


def test_r5_own_node_is_shown_as_one_that_must_agree() -> None:
    """By its label, beside the quorum."""
    found = examine(fake_chain())["chain.nodes"]

    assert found.state is CheckState.OK
    assert found.detail == (
        "2 of 3 nodes must agree, one of own-1, own-2 (own) among them; each answers"
    )


def test_a_node_that_is_out_is_found_while_the_others_agree() -> None:
    """By its place in the settings: its URL may hold a key."""
    silent = fake_chain()
    silent.is_mute = True

    findings = examine(fake_chain(), nodes=(fake_chain(), silent, fake_chain()))

    assert broken_codes(findings) == set()
    assert findings["chain.nodes"].state is CheckState.WARNING
    assert findings["chain.nodes"].detail.endswith("among them; own-2: RpcTimeoutError")


def test_a_node_of_another_chain_is_named() -> None:
    """A code of its own: the remedy is another one."""
    chain = fake_chain()
    chain.identity_answer = WrongChainError(
        chain_id=chain.chain_id, field="chain id", expected="1", found="5"
    )

    findings = examine(chain)

    assert broken_codes(findings) == {"chain.identity"}
    assert "chain id is 5, expected 1" in findings["chain.identity"].detail


def test_another_genesis_than_the_stored_one_is_broken() -> None:
    """A node of a fork with the same number is not taken."""
    assert broken_codes(examine(fake_chain(), stored_genesis=b"\x01" * 32)) == {"chain.genesis"}


def test_a_node_without_the_finalized_tag_is_broken_but_feeds_are_still_asked() -> None:
    """Checks are isolated."""
    chain = fake_chain()
    chain.is_mute = True

    findings = examine(chain)

    assert broken_codes(findings) == {"chain.finality"}
    assert findings["feed.answers"].state is CheckState.OK


def test_an_old_head_is_broken_in_production_and_a_warning_in_development() -> None:
    """A development chain may make no blocks while nobody works."""
    chain = fake_chain(head_age_seconds=HEAD_AGE_SECONDS_MAX + 1)
    development = Settings(**(example_values() | {"profile": "development"}))

    assert broken_codes(examine(chain)) == {"chain.head"}
    assert examine(chain, settings=development)["chain.head"].state is CheckState.WARNING
    assert broken_codes(examine(fake_chain(head_age_seconds=HEAD_AGE_SECONDS_MAX))) == set()


def test_a_clock_behind_the_chain_is_broken() -> None:
    """Deadlines and ages would be wrong."""
    ahead = fake_chain(head_age_seconds=-CLOCK_SKEW_SECONDS_MAX - 1)

    assert broken_codes(examine(ahead)) == {"chain.clock"}
    assert broken_codes(examine(fake_chain(head_age_seconds=-CLOCK_SKEW_SECONDS_MAX))) == set()


@pytest.mark.parametrize(
    ("contract", "chain_id", "codes"),
    [
        (VAULT, "eip155:1", {"vault.answers", "vault.exit", "contract.guardians"}),
        (CREDIT_LINE, "eip155:42161", {"credit_line.answers", "contract.guardians"}),
        (FEED, "eip155:1", {"feed.answers"}),
    ],
)
def test_an_address_without_code_is_broken(contract: bytes, chain_id: str, codes: set[str]) -> None:
    """Vault, credit line and feed each have their own finding."""
    chain = fake_chain()
    chain.missing_contracts = {contract}
    if chain_id != "eip155:1":
        feed = word_of_text("0xfee3333333333333333333333333333333333333")
        chain.quotes = {feed: Quote(feed, 100_000_000, 8, NOW, 1)}

    assert broken_codes(examine(chain, chain_id=chain_id)) == codes


def test_a_vault_with_less_than_it_accounts_for_is_broken() -> None:
    """Tokens that left a vault another way are seen."""
    chain = fake_chain()
    chain.shortfall_units = 1

    findings = examine(chain)

    assert broken_codes(findings) == {"vault.answers"}
    assert "accounts for 100 units and has 99" in findings["vault.answers"].detail


def test_a_paused_vault_is_a_warning() -> None:
    """It works as it was told, and somebody should know."""
    chain = fake_chain()
    chain.is_paused = True

    assert examine(chain)["vault.answers"].state is CheckState.WARNING


@pytest.mark.parametrize(
    ("silence_seconds", "state", "text"),
    [
        (0, CheckState.OK, "owners may leave after 7d 0h; the exit delay is 7d 0h"),
        (EXIT_DELAY_SECONDS // 2, CheckState.OK, "after 3d 12h"),
        (EXIT_DELAY_SECONDS // 2 + 1, CheckState.WARNING, "owners may leave after 3d 11h"),
        (EXIT_DELAY_SECONDS, CheckState.WARNING, "owners may leave after 0s"),
        (EXIT_DELAY_SECONDS + 1, CheckState.BROKEN, "owners may leave without a message since 1s"),
    ],
)
def test_a_vault_that_no_message_reaches_is_told_before_owners_may_leave(
    silence_seconds: int, state: CheckState, text: str
) -> None:
    """By the second in which the contract opens; the chain's time counts, not the machine's."""
    head_age_seconds = 300
    chain = fake_chain(head_age_seconds)
    chain.numbers["lastAttestedAt()"] = NOW - head_age_seconds - silence_seconds

    found = examine(chain)["vault.exit"]

    assert (found.state, text in found.detail) == (state, True)
    assert found.remedy == ("" if state is CheckState.OK else REMEDIES["vault.exit"])


def test_a_vault_without_a_time_of_a_message_is_open_as_the_contract_has_it() -> None:
    """Constructors write their own time; the sum is the contract's, with no case of its own."""
    chain = fake_chain()
    chain.numbers["lastAttestedAt()"] = 0

    assert broken_codes(examine(chain)) == {"vault.exit"}


def test_another_guardian_set_than_the_configured_one_is_broken() -> None:
    """Both sets are in the finding."""
    chain = fake_chain()
    found = configured_set(SETTINGS)
    chain.set_answer = GuardianSet(index=1, threshold=3, members=found.members)

    findings = examine(chain)

    assert broken_codes(findings) == {"contract.guardians"}
    assert "holds set 1: 3 of 3" in findings["contract.guardians"].detail
    assert "configured is set 0: 2 of 3" in findings["contract.guardians"].detail
