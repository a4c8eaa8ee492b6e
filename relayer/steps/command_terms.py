"""What a signed command must say before the store is asked: names, addresses, amounts, signers."""

from typing import Final, assert_never

from chains.command import (
    LinkOwner,
    Liquidation,
    OpenAccount,
    RequestCredit,
    RequestUnlock,
    SignedCommand,
)
from chains.types import (
    EVM_ADDRESS_PAD,
    SOLANA_NAMESPACE,
    UINT64_MAX,
    ChainId,
    address_text,
    check_wallet,
    evm_address_of_word,
    text_of_word,
)
from relayer.assets import Asset, UnknownTokenError
from relayer.errors import RefusedError
from relayer.steps.catalog import Catalog

OwnedCommand = OpenAccount | LinkOwner | RequestUnlock | RequestCredit
SIGNATURES: Final[dict[type[OwnedCommand], int]] = {
    OpenAccount: 1,
    LinkOwner: 2,
    RequestUnlock: 1,
    RequestCredit: 2,
}


def asset_at(catalog: Catalog, chain_id: ChainId, token: bytes) -> Asset:
    """
    Return the asset of a token.

    Raises:
        RefusedError: code unknown_token.
    """
    try:
        return catalog.asset_of(chain_id, token)
    except UnknownTokenError as exc:
        raise RefusedError(
            code="unknown_token",
            detail=f"token: {address_text(chain_id, token)} on {chain_id} is not served; "
            "take one of GET /v1/deployment",
        ) from exc


def owned_command(signed: SignedCommand) -> OwnedCommand:
    """
    Return the command if it is one that owners and protocols send, with all its signatures.

    Raises:
        RefusedError: the hub's own decision, or another number of signatures.
    """
    command = signed.command
    if isinstance(command, Liquidation):
        raise RefusedError(
            code="request_invalid", detail="kind: a Liquidation is the hub's own decision"
        )
    needed = SIGNATURES[type(command)]
    if len(signed.signatures) != needed:
        raise RefusedError(
            code="request_invalid",
            detail=f"signatures: {len(signed.signatures)} are there, {needed} are needed",
        )
    return command


def check_terms(command: OwnedCommand, catalog: Catalog) -> None:
    """
    Check what depends on neither time nor the store: chains, contracts, addresses, amounts.

    Raises:
        RefusedError: the detail names the field and the remedy.
    """
    match command:
        case OpenAccount():
            _check_opener(command.opener, catalog)
        case LinkOwner():
            _check_chain(command.chain_id, catalog)
            _check_wallet("owner", command.chain_id, command.owner)
        case RequestUnlock():
            _check_chain(command.chain_id, catalog)
            if catalog.vault_of(command.chain_id) != command.vault:
                named = address_text(command.chain_id, command.vault)
                known = address_text(command.chain_id, catalog.vault_of(command.chain_id))
                raise RefusedError(
                    code="unknown_vault",
                    detail=f"vault: {named} is not the vault of {command.chain_id}; it is {known}",
                )
            asset_at(catalog, ChainId(command.chain_id), command.token)
            _check_amount(command)
            _check_recipient(command, catalog)
        case RequestCredit():
            _check_chain(command.chain_id, catalog)
            line = catalog.credit_line_at(command.chain_id, command.credit_line)
            if line.token != command.token:
                raise RefusedError(
                    code="unknown_token",
                    detail=f"token: {line.protocol} lends {text_of_word(line.token)}, "
                    f"not {text_of_word(command.token)}",
                )
            # a limit of 0 is right: it hands the grant back
            _check_address("borrower", command.borrower)
        case _:
            assert_never(command)


def _check_chain(chain_id: str, catalog: Catalog) -> None:
    if chain_id not in catalog.chain_ids:
        known = ", ".join(catalog.chain_ids)
        raise RefusedError(
            code="unknown_chain", detail=f"chain_id: {chain_id} is not served; known: {known}"
        )


def _check_opener(opener: bytes, catalog: Catalog) -> None:
    """Take an EVM address, or a Solana key where a Solana chain is served."""
    if not any(opener) or opener.startswith(EVM_ADDRESS_PAD):
        _check_address("opener", opener)
        return
    if not any(chain_id.startswith(SOLANA_NAMESPACE) for chain_id in catalog.chain_ids):
        raise RefusedError(
            code="address_invalid",
            detail=f"opener: 0x{opener.hex()} is no EVM address, and no Solana chain is served; "
            "open with an EVM address",
        )


def _check_wallet(field: str, chain_id: str, word: bytes) -> None:
    try:
        check_wallet(ChainId(chain_id), word)
    except ValueError as exc:
        raise RefusedError(code="address_invalid", detail=f"{field}: {exc}") from exc


def _check_address(field: str, word: bytes) -> None:
    try:
        is_zero = not any(evm_address_of_word(word))
    except ValueError as exc:
        raise RefusedError(
            code="address_invalid", detail=f"{field}: {exc}; send an EVM address"
        ) from exc
    if is_zero:
        raise RefusedError(
            code="address_invalid", detail=f"{field}: it is the zero address; name a real one"
        )


def _check_recipient(command: RequestUnlock, catalog: Catalog) -> None:
    """Refuse who cannot be paid, or could never pay on."""
    _check_wallet("recipient", command.chain_id, command.recipient)
    if command.recipient in (command.vault, command.token):
        raise RefusedError(
            code="address_invalid",
            detail="recipient: it is the vault or the token itself; name who shall have it",
        )
    if command.recipient in catalog.barred.get(ChainId(command.chain_id), ()):
        raise RefusedError(
            code="address_invalid",
            detail=f"recipient: {address_text(command.chain_id, command.recipient)} belongs to the "
            "vault or to a program, and nobody signs for it; name a wallet",
        )


def _check_amount(command: RequestUnlock) -> None:
    if command.amount == 0:
        raise RefusedError(code="amount_invalid", detail="amount: 0 units; ask for 1 or more")
    if command.chain_id.startswith(SOLANA_NAMESPACE) and command.amount > UINT64_MAX:
        raise RefusedError(
            code="amount_invalid",
            detail=f"amount: tokens of Solana have at most {UINT64_MAX} units",
        )


def check_named_signers(
    command: OwnedCommand, signers: tuple[bytes, ...], catalog: Catalog
) -> None:
    """
    Check the signers that the command itself or the catalog names.

    Raises:
        RefusedError: code signer_mismatch.
    """
    match command:
        case OpenAccount():
            named = {0: ("opener", command.opener)}
        case LinkOwner():
            named = {1: ("owner", command.owner)}
        case RequestUnlock():
            named = {}
        case RequestCredit():
            line = catalog.credit_line_at(command.chain_id, command.credit_line)
            named = {1: (f"operator of {line.protocol}", line.operator)}
        case _:
            assert_never(command)
    for place, (role, address) in named.items():
        if signers[place] != address:
            raise RefusedError(
                code="signer_mismatch",
                detail=f"signatures.{place}: made by {text_of_word(signers[place])}, not by the "
                f"{role} {text_of_word(address)}; sign for hub {catalog.hub}",
            )
