"""Keys of the local chains."""

from eth_account import Account

from chains.attestation import recover_signer
from chains.command import OpenAccount, SignedCommand
from chains.devnet.actors import ALICE, DEPLOYER, DEV_KEYS, dev_key, guardian_keys
from chains.devnet.guarding import HUB_DEVNET
from chains.types import checksum_address


def test_a_key_knows_its_address() -> None:
    """As an independent implementation derives it."""
    for digits in DEV_KEYS:
        key = dev_key(bytes.fromhex(digits))

        assert checksum_address(key.address) == Account.from_key(key.key).address


def test_the_first_account_is_the_one_everybody_knows() -> None:
    """The first account of the test mnemonic."""
    assert checksum_address(DEPLOYER.address) == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def test_a_signature_is_recovered() -> None:
    """r | s | v with v 27 or 28 and a low s."""
    digest = b"\x05" * 32

    assert recover_signer(digest, ALICE.sign(digest)) == ALICE.address


def test_a_key_signs_commands_as_its_owner() -> None:
    """The signer of the command is the key's address."""
    command = OpenAccount(ALICE.address, bytes(32))

    signed = SignedCommand(command, (ALICE.sign_command(command, HUB_DEVNET),))

    assert signed.signers(HUB_DEVNET) == (ALICE.address,)


def test_guardian_keys_ascend_and_are_the_same_for_a_seed() -> None:
    """Another seed gives other keys."""
    keys = guardian_keys(5, seed="one")
    addresses = [key.address for key in keys]

    assert addresses == sorted(addresses)
    assert keys == guardian_keys(5, seed="one")
    assert not set(keys) & set(guardian_keys(5, seed="two"))
