"""Tests of what sends, by the family of the chain."""

from pathlib import Path

import pytest
from solders.keypair import Keypair

from chains.bridges.guardian import GuardianBridge
from chains.bridges.solana_guardian import SolanaGuardianBridge
from chains.errors import PermanentChainError
from chains.evm.agreeing_sender import AgreeingSender
from chains.key_files import KeyFileError
from chains.solana.agreeing_sender import AgreeingExpiringSender
from chains.types import ChainId
from relayer import wiring, wiring_senders
from relayer.errors import SettingsError
from relayer.sections import SenderSettings
from relayer.settings import Settings, load_settings
from relayer.steps.carrier import Carrier, ExpiringCarrier
from tests.relayer.test_settings import EXAMPLE

SOLANA = ChainId("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")
MAINNET = ChainId("eip155:1")
KEY = Keypair.from_seed(bytes(range(32)))


def settings_with_keys(folder: Path) -> Settings:
    """Return the example with key files that are there."""
    files = {"evm": "07" * 32, "solana": bytes(KEY).hex()}
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    sender = SenderSettings(key_file=folder / "evm", solana_key_file=folder / "solana")
    return load_settings(EXAMPLE).model_copy(update={"sender": sender})


def test_each_family_has_its_own_carrier_and_bridge(tmp_path: Path) -> None:
    """With its own key, through all nodes."""
    settings = settings_with_keys(tmp_path)

    made = {
        chain_id: wiring_senders.carrier_of(
            settings,
            wiring_senders.bridge(settings, wiring.chain_reader(settings, chain_id)),
            chain_id,
            "holder",
        )
        for chain_id in (SOLANA, MAINNET)
    }

    expiring, plain = made[SOLANA], made[MAINNET]
    assert isinstance(expiring, ExpiringCarrier)
    assert isinstance(expiring.bridge, SolanaGuardianBridge)
    assert isinstance(expiring.sender, AgreeingExpiringSender)
    assert expiring.sender.address == bytes(KEY.pubkey())
    assert isinstance(plain, Carrier)
    assert isinstance(plain.bridge, GuardianBridge)
    assert isinstance(plain.sender, AgreeingSender)


def test_no_text_of_what_sends_shows_a_key(tmp_path: Path) -> None:
    """Neither settings nor sender nor carrier."""
    settings = settings_with_keys(tmp_path)
    sender = wiring_senders.expiring_sender(settings, SOLANA)

    text = repr(settings) + repr(sender) + str(sender) + repr(vars(sender))

    assert str(KEY) not in text
    assert bytes(KEY)[:32].hex() not in text


def test_a_key_that_is_missing_is_named(tmp_path: Path) -> None:
    """At the start of a process, and when it is to be used."""
    settings = settings_with_keys(tmp_path)
    (tmp_path / "solana").chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        wiring_senders.check_sender_key(settings)
    sender = SenderSettings(key_file=tmp_path / "evm")
    without = settings.model_copy(update={"sender": sender})

    wiring_senders.check_sender_key(without)
    with pytest.raises(SettingsError, match="solana_key_file"):
        wiring_senders.expiring_sender(without, SOLANA)
    with pytest.raises(SettingsError, match="sender: not configured"):
        wiring_senders.expiring_sender(settings.model_copy(update={"sender": None}), SOLANA)
    assert issubclass(KeyFileError, PermanentChainError)
