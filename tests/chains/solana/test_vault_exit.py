"""What an owner signs to leave."""

from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak

from chains.devnet.solana_vectors import AT, CHAIN, EXIT
from chains.solana.vault_exit import exit_digest


def test_the_digest_is_that_of_eip_712() -> None:
    """A wallet that knows EIP-712 comes to the same digest."""
    fields = ("account", "token", "recipient")
    typed = encode_typed_data(
        domain_data={
            "name": "CollateralRelayer",
            "version": "1",
            "salt": keccak(keccak(CHAIN.encode()) + bytes(AT.vault)),
        },
        message_types={
            "Exit": [
                *({"name": name, "type": "bytes32"} for name in fields),
                {"name": "deadline", "type": "uint64"},
            ]
        },
        message_data={
            "account": EXIT.account,
            "token": bytes(EXIT.token.mint),
            "recipient": bytes(EXIT.recipient),
            "deadline": 1_900_000_000,
        },
    )

    found = exit_digest(AT, EXIT, chain_id=CHAIN, deadline_seconds=1_900_000_000)

    assert found == keccak(b"\x19\x01" + typed.header + typed.body)
