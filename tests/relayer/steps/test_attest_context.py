"""Attest: what guardians are told of accounts and their owners with every message."""

import json
from dataclasses import replace
from itertools import pairwise

from chains.command import LinkOwner, OpenAccount
from relayer import wiring
from relayer.api.guardian import REQUEST_BYTES_MAX
from relayer.guardian.request import LINKS_PER_ACCOUNT_MAX, request_fields, request_of_fields
from relayer.sections import LIQUIDATORS_MAX
from relayer.steps.attest import attestation_request
from relayer.steps.catalog import Catalog
from relayer.steps.decide import decide
from relayer.steps.liquidate import liquidate_account
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    BOB,
    CHAIN_A,
    CHAIN_B,
    HUB,
    OPEN,
    UNLOCK,
    VAULT_A,
    deployment_settings,
    signer,
)
from tests.relayer.steps.test_attest import doors, run
from tests.relayer.steps.world import (
    FENCE,
    LIQ,
    LIQ_OPEN,
    ask,
    link_owner,
    open_account,
    settled_world,
    signed,
)


def test_a_borrower_with_many_owners_keeps_no_liquidator_out_of_the_context(
    quick_store: Store, catalog: Catalog
) -> None:
    """Without them a guardian would take what a liquidator repays for the borrower's."""
    settled_world(quick_store, owed_usd=24_000)
    for number in range(LINKS_PER_ACCOUNT_MAX):
        other = signer(f"other {number}")
        link_owner(quick_store, LinkOwner(ACCOUNT, CHAIN_A, other.address), ANN, other)
    assert liquidate_account(quick_store, catalog, ACCOUNT, fence=FENCE)
    with quick_store.read() as uow:
        (stored,) = uow.outbox.of_account(ACCOUNT)
        context = attestation_request(uow, catalog, stored).context

    assert signed(LIQ_OPEN, LIQ) in context
    assert len(context) == 1 + 1 + LINKS_PER_ACCOUNT_MAX


def test_all_links_of_every_liquidator_fit_into_one_request(
    quick_store: Store,
) -> None:
    """As many of both as there may be; none is taken for anybody by a guardian that signs."""
    people = [signer(f"liquidator {number}") for number in range(LIQUIDATORS_MAX)]
    openings = [OpenAccount(opener=each.address, salt=bytes(32)) for each in people]
    settled_world(quick_store)
    others = [signer(f"other {number}") for number in range(LINKS_PER_ACCOUNT_MAX)]
    for opening, person in zip(openings, people, strict=True):
        open_account(quick_store, opening, person)
        with quick_store.unit_of_work() as uow:
            for other in others:
                link = LinkOwner(opening.account, CHAIN_A, other.address)
                command_id = link.digest(HUB)
                uow.accounts.link(
                    link.account,
                    chain_id=CHAIN_A,
                    owner=link.owner,
                    command_id=command_id,
                    at=uow.clock.now(),
                )
                uow.commands.store(command_id, signed(link, person, other))
    settings = deployment_settings(
        liquidators=[
            {"account": "0x" + opening.account.hex(), "recipients": []} for opening in openings
        ]
    )
    command_id = ask(quick_store, signed(UNLOCK, ANN))
    catalog = wiring.catalog_of(settings)
    decide(quick_store, catalog, command_id, fence=FENCE)
    with quick_store.read() as uow:
        (stored,) = uow.outbox.of_account(ACCOUNT)
        request = attestation_request(uow, catalog, stored)

    body = json.dumps(request_fields(request))

    assert len(request.context) == 1 + LIQUIDATORS_MAX * (1 + LINKS_PER_ACCOUNT_MAX)
    assert request_of_fields(json.loads(body)) == request
    assert len(body) < REQUEST_BYTES_MAX


def test_context_is_the_path_to_the_signer_in_the_order_it_grew(
    quick_store: Store, catalog: Catalog
) -> None:
    """However many other owners there are, and whatever the order of their addresses."""
    settled_world(quick_store)
    chain = [ANN, *(signer(f"owner {number}") for number in range(4)), BOB]
    links = [
        link_owner(quick_store, LinkOwner(ACCOUNT, CHAIN_B, new.address), old, new)
        for old, new in pairwise(chain)
    ]
    others = [signer(f"other {number}") for number in range(LINKS_PER_ACCOUNT_MAX)]
    for other in others:
        link_owner(quick_store, LinkOwner(ACCOUNT, CHAIN_A, other.address), ANN, other)
    command_id = ask(quick_store, signed(replace(UNLOCK, nonce=bytes(32)), BOB))
    decide(quick_store, catalog, command_id, fence=FENCE)
    with quick_store.read() as uow:
        (stored,) = uow.outbox.of_account(ACCOUNT)
    asked = doors(None, None, None)

    run(quick_store, catalog, asked, stored.message_id)

    context = request_of_fields(asked[0].asked[0]).context
    assert context == (signed(OPEN, ANN), *links, signed(LIQ_OPEN, LIQ))
    assert stored.message.message.vault == VAULT_A
