"""The Solana part of the standard layout: deployed over RPC, and what parties do there."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_hash.auto import keccak
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from chains.command import account_id
from chains.devnet.actors import guardian_keys
from chains.devnet.rpc import DevnetError
from chains.devnet.solana_actors import (
    SOLANA_ALICE,
    SOLANA_BOB,
    SOLANA_DEPLOYER,
    SOLANA_LIQUIDATOR,
    SolanaWallet,
    solana_wallet,
)
from chains.devnet.solana_deploy import SolanaDevChain, program_artifact
from chains.devnet.solana_kit import (
    SOL,
    USDC,
    WALLET_USDC,
    WRAPPED_SOL,
    DeployedSolana,
    SolanaKit,
    SolanaVaultOptions,
    deploy_solana,
)
from chains.errors import CallRevertedError
from chains.finality import Finality
from chains.message import Message, MessageKind
from chains.solana.vault_layout import decode_asset, decode_guardian_set, decode_vault
from chains.types import ChainId, chain_key

SALT = bytes(32)
ACCOUNT = account_id(opener=SOLANA_ALICE.address, salt=SALT)
SET_UP_SECONDS_MAX = 2.0
EXIT_DELAY_SECONDS = 86_400
SLOT_MILLISECONDS = 400
SLOTS_IN_A_SECOND = 3


@pytest.fixture(scope="module")
def kit() -> Iterator[SolanaKit]:
    """A cluster with a vault, shared by the tests of this file."""
    with SolanaKit() as running:
        yield running


@pytest.fixture
def chain_s(kit: SolanaKit) -> DeployedSolana:
    """What stands on it."""
    return kit.chain_s


def payment(chain_s: DeployedSolana, kind: MessageKind, **changes: Any) -> Message:
    """Return a message that pays USDC of the account to bob."""
    fields: dict[str, Any] = {
        "origin": chain_key(chain_s.options.hub),
        "target": chain_key(chain_s.chain_id),
        "vault": chain_s.vault,
        "nonce": time.monotonic_ns(),
        "account": ACCOUNT,
        "token": chain_s.tokens["USDC"],
        "amount_units": USDC,
        "recipient": SOLANA_BOB.address,
        "expiry_seconds": 2**63,
        "epoch": 0,
        "evidence": keccak(b"evidence"),
    }
    return Message(kind=kind, **(fields | changes))


def vault_of(chain_s: DeployedSolana) -> Any:
    """Return the state of the vault."""
    return decode_vault(chain_s.chain.rpc.content(chain_s.vault))


def test_a_vault_stands_there_in_two_seconds() -> None:
    """Program, vault, two tokens and funded wallets; the best of three on a busy machine."""
    seconds = []
    for _ in range(3):
        start = time.monotonic()
        with SolanaKit():
            seconds.append(time.monotonic() - start)

    assert min(seconds) < SET_UP_SECONDS_MAX


def test_the_vault_is_sealed_for_the_hub_and_its_guardians(chain_s: DeployedSolana) -> None:
    """What a relayer would compare before it trusts a vault."""
    content = chain_s.chain.rpc.content
    vault = vault_of(chain_s)
    stored = decode_guardian_set(content(bytes(chain_s.at.guardian_set(0))))

    assert vault.is_sealed
    assert vault.hub_key == chain_key(ChainId("hub:devnet"))
    assert vault.chain_key == chain_key(chain_s.chain_id)
    assert stored.members == chain_s.options.guardian_set.members
    assert stored.threshold == 2
    for symbol, capacity in (("USDC", 10_000_000 * USDC), ("SOL", 100_000 * SOL)):
        asset = decode_asset(content(bytes(chain_s.at.asset(Pubkey(chain_s.tokens[symbol])))))
        assert asset.capacity_units == capacity
        assert asset.held_units == 0


@pytest.mark.parametrize("wallet", [SOLANA_ALICE, SOLANA_BOB, SOLANA_LIQUIDATOR])
def test_parties_have_tokens_and_sol(wallet: SolanaWallet) -> None:
    """Wrapped SOL is backed by as many lamports in the wallet's token account."""
    with SolanaKit() as kit:
        chain, tokens = kit.chain_s.chain, kit.chain_s.tokens

        assert chain.units_of(tokens["USDC"], wallet.address) == WALLET_USDC * USDC
        assert chain.units_of(tokens["SOL"], wallet.address) == WRAPPED_SOL * SOL
        assert 99 * SOL < chain.lamports_of(wallet.address) < 100 * SOL


@pytest.mark.parametrize("symbol", ["USDC", "SOL"])
def test_collateral_is_locked_and_paid_out_on_a_message(
    chain_s: DeployedSolana, symbol: str
) -> None:
    """Units go from the wallet into custody, and by the guardians' word to another wallet."""
    token = chain_s.tokens[symbol]
    before = {
        wallet: chain_s.chain.units_of(token, wallet.address)
        for wallet in (SOLANA_ALICE, SOLANA_BOB)
    }
    held = chain_s.custody_units(token)

    chain_s.lock(SOLANA_ALICE, ACCOUNT, token, 5_000)
    chain_s.lock(SOLANA_ALICE, ACCOUNT, token, 5_000)  # the same again is another transaction
    message = payment(chain_s, MessageKind.RELEASE, token=token, amount_units=3_000)
    landed = chain_s.execute(message)

    assert chain_s.custody_units(token) == held + 7_000
    assert chain_s.chain.units_of(token, SOLANA_ALICE.address) == before[SOLANA_ALICE] - 10_000
    assert chain_s.chain.units_of(token, SOLANA_BOB.address) == before[SOLANA_BOB] + 3_000
    assert len(landed.tx_hash) == 64
    assert landed.height == chain_s.chain.height()


def test_a_refusal_of_the_program_is_named(chain_s: DeployedSolana) -> None:
    """The number in the transaction's error becomes the name that the documents explain."""
    chain_s.lock(SOLANA_ALICE, ACCOUNT, chain_s.tokens["USDC"], USDC)
    message = payment(chain_s, MessageKind.SEIZE)
    chain_s.execute(message)

    with pytest.raises(CallRevertedError, match="ALREADY_EXECUTED"):
        chain_s.execute(message)


def test_a_refusal_of_the_cluster_is_told(chain_s: DeployedSolana) -> None:
    """A wallet without SOL cannot pay for its transaction."""
    with pytest.raises(DevnetError, match="no record of a prior credit"):
        chain_s.chain.open_wallet(
            solana_wallet("poor"), chain_s.tokens["USDC"], SOLANA_ALICE.address
        )


def test_the_opener_exits_after_the_silence() -> None:
    """As the vault's own way out; before, it is too early."""
    options = SolanaVaultOptions(exit_delay_seconds=EXIT_DELAY_SECONDS)
    with SolanaKit(options) as kit:
        chain_s = kit.chain_s
        token = chain_s.tokens["SOL"]
        chain_s.lock(SOLANA_ALICE, ACCOUNT, token, SOL)
        with pytest.raises(CallRevertedError, match="EXIT_TOO_EARLY"):
            chain_s.exit(SOLANA_ALICE, account=ACCOUNT, salt=SALT, token=token)
        kit.net.skip(EXIT_DELAY_SECONDS * 1_000 // SLOT_MILLISECONDS + SLOTS_IN_A_SECOND)

        chain_s.exit(SOLANA_ALICE, account=ACCOUNT, salt=SALT, token=token)

        assert chain_s.custody_units(token) == 0
        assert chain_s.chain.units_of(token, SOLANA_ALICE.address) == WRAPPED_SOL * SOL


def test_another_initializer_makes_another_vault_of_the_same_program(
    chain_s: DeployedSolana,
) -> None:
    """Program and mint are used again; the first vault cannot be made twice."""
    other = deploy_solana(chain_s.chain, SolanaVaultOptions(initializer=SOLANA_BOB))

    assert other.program == chain_s.program
    assert other.tokens == chain_s.tokens
    assert other.vault != chain_s.vault
    with pytest.raises(CallRevertedError, match="ALREADY_INITIALISED"):
        deploy_solana(chain_s.chain)


def test_another_program_at_the_address_is_refused(chain_s: DeployedSolana) -> None:
    """What is there already must be the artifact, byte for byte."""
    altered = program_artifact("forger-v0")

    with pytest.raises(DevnetError, match="another program"):
        chain_s.chain.deploy(chain_s.options.program, altered)


def test_a_deployed_program_is_the_artifact_and_final(chain_s: DeployedSolana) -> None:
    """Another deployment of the same bytes: nobody may replace it."""
    program = Keypair()

    address = chain_s.chain.deploy(program, program_artifact("vault-v0"))

    assert address == bytes(program.pubkey())
    assert chain_s.chain.deploy(program, program_artifact("vault-v0")) == address


def test_a_missing_artifact_says_what_to_run() -> None:
    """The artifacts are committed; one that is not is a mistake in its name."""
    with pytest.raises(DevnetError, match="make contracts-solana"):
        program_artifact("nothing")


def test_everything_is_the_same_for_the_same_seed(chain_s: DeployedSolana) -> None:
    """Keys are fixed, so programs, vaults and mints have the same addresses every time."""
    with SolanaKit() as kit:
        again = kit.chain_s

        assert (again.program, again.vault, again.tokens) == (
            chain_s.program,
            chain_s.vault,
            chain_s.tokens,
        )


def test_only_the_guardians_of_the_layout_are_heard(chain_s: DeployedSolana) -> None:
    """The set is the one of the other chains; other keys sign in vain."""
    message = payment(chain_s, MessageKind.RELEASE)
    strangers = replace(chain_s.options, guardians=guardian_keys(3, seed="strangers"))

    with pytest.raises(CallRevertedError, match="NOT_A_MEMBER"):
        chain_s.chain.execute(chain_s.at, message, strangers.attest(message, chain_s.chain_id))


@pytest.mark.slow
def test_a_cluster_of_another_process_takes_the_same_kit() -> None:
    """`relayer devnet solana` with slots that move by themselves, some of them without blocks."""
    line = [sys.executable, "-m", "relayer.cli", "devnet", "solana", "--port", "0", "--json"]
    line += ["--slot-ms", "20", "--finalized-lag-slots", "5", "--skipped-bps", "500"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            chain = SolanaDevChain(told["url"])
            chain_s = deploy_solana(chain)
            landed = chain_s.lock(SOLANA_ALICE, ACCOUNT, chain_s.tokens["SOL"], SOL)
            chain.wait_until(Finality.FINALIZED, landed.height)
            chain.close()
        finally:
            process.kill()

    assert chain_s.chain_id == told["chain_id"]
    assert SOLANA_DEPLOYER.address == chain_s.options.initializer.address
