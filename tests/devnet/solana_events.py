"""What a vault on Solana did, read from its history by the plain client, apart from the adapter."""

from solana.rpc.commitment import Confirmed
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from solders.transaction_status import UiCompiledInstruction

from chains.base58 import bytes_of_base58
from chains.devnet.solana_deploy import SolanaDevChain
from chains.solana.vault_addresses import VaultAddresses
from chains.solana.vault_events import VaultEvent, decode_event


def vault_events(chain: SolanaDevChain, at: VaultAddresses) -> list[VaultEvent]:
    """Return the events of a vault in confirmed slots, oldest first; up to 1,000 transactions."""
    history = chain.rpc.ask(
        lambda client: client.get_signatures_for_address(at.vault, commitment=Confirmed)
    ).value
    return [
        event
        for landed in reversed(history)
        if landed.err is None
        for event in _events_of(chain, at, landed.signature)
    ]


def _events_of(chain: SolanaDevChain, at: VaultAddresses, signature: Signature) -> list[VaultEvent]:
    found = chain.rpc.ask(
        lambda client: client.get_transaction(signature, "base64", Confirmed, 0)
    ).value
    assert found is not None
    shown = found.transaction
    assert shown.meta is not None
    assert isinstance(shown.transaction, VersionedTransaction)
    loaded = shown.meta.loaded_addresses
    keys: list[Pubkey] = list(shown.transaction.message.account_keys)
    if loaded is not None:
        keys += [*loaded.writable, *loaded.readonly]
    events = []
    for group in shown.meta.inner_instructions or ():
        for inner in group.instructions:
            assert isinstance(inner, UiCompiledInstruction)
            if keys[inner.program_id_index] == at.program_id:
                event = decode_event(bytes_of_base58(inner.data))
                if event is not None and event.vault == bytes(at.vault):
                    events.append(event)
    return events
