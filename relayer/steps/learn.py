"""Learn: a guardian takes over who may act for an account from what it is shown, once verified."""

from collections.abc import Iterable

from chains.command import LinkOwner, OpenAccount, SignedCommand
from chains.types import ChainId, check_wallet
from relayer.guardian.checks import check_signers, refuse
from relayer.steps.catalog import Catalog
from relayer.steps.rebook import payer_of, rebook_payer
from relayer.store.unit_of_work import UnitOfWork


def learn(uow: UnitOfWork, catalog: Catalog, context: Iterable[SignedCommand]) -> None:
    """
    Store openings and links after checking their signatures; anything else is refused.

    A link on a chain that this guardian does not have yet makes nobody an owner here, nor does
    what only its owner signed: both are learned once the chain is configured.

    Raises:
        RefusedError: a command is no context, or not signed by those who had to.
    """
    unread: set[tuple[bytes, bytes]] = set()
    for signed in context:
        _learn(uow, catalog, signed, unread)


def _learn(
    uow: UnitOfWork, catalog: Catalog, signed: SignedCommand, unread: set[tuple[bytes, bytes]]
) -> None:
    """Store one command; (account, owner) of links that are passed over are kept in unread."""
    command = signed.command
    command_id = command.digest(catalog.hub)
    if uow.commands.command(command_id) is not None:
        return
    now = uow.clock.now()
    match command:
        case OpenAccount():
            (signer,) = check_signers(signed, hub=catalog.hub, count=1)
            if signer != command.opener:
                raise refuse("signer_not_owner", "context: the opener did not sign the opening")
            uow.accounts.open(
                command.account,
                opener=command.opener,
                salt=command.salt,
                command_id=command_id,
                at=now,
            )
        case LinkOwner():
            owner, linked = check_signers(signed, hub=catalog.hub, count=2)
            chain_id = _known_chain(catalog, command.chain_id)
            if chain_id is None or _is_unread(uow, command, owner, unread):
                unread.add((command.account, command.owner))
                return
            if linked != command.owner or not uow.accounts.is_owner(command.account, None, owner):
                raise refuse("signer_not_owner", "context: a link is not signed by both owners")
            _check_linked(chain_id, linked)
            uow.accounts.link(
                command.account,
                chain_id=chain_id,
                owner=command.owner,
                command_id=command_id,
                at=now,
            )
        case _:
            raise refuse("context_invalid", f"context: {type(command).__name__} is not context")
    uow.commands.store(command_id, signed)
    if catalog.liquidator(command.account) is not None:
        rebook_payer(uow, catalog, payer_of(command))


def _check_linked(chain_id: ChainId, linked: bytes) -> None:
    """Refuse an owner that can be nobody on its chain, whoever signed."""
    try:
        check_wallet(chain_id, linked)
    except ValueError as exc:
        raise refuse("address_invalid", f"context: owner: {exc}") from exc


def _known_chain(catalog: Catalog, name: str) -> ChainId | None:
    return next((chain_id for chain_id in catalog.chain_ids if chain_id == name), None)


def _is_unread(
    uow: UnitOfWork, command: LinkOwner, owner: bytes, unread: set[tuple[bytes, bytes]]
) -> bool:
    is_owner = uow.accounts.is_owner(command.account, None, owner)
    return not is_owner and (command.account, owner) in unread
