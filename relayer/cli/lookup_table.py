"""The command that makes a lookup table for a chain whose transactions have little room."""

from typing import TYPE_CHECKING, Final

from relayer.cli.answer import (
    Answer,
    ConfigOption,
    JsonOption,
    YesOption,
    answer,
    confirm,
    opened_reader,
)
from relayer.cli.recovery import ChainArgument

if TYPE_CHECKING:
    from chains.sending import ExpiringSender
    from chains.types import ChainId
    from relayer.settings import Settings

POLL_SECONDS: Final = 1.0
POLLS_MAX: Final = 180


def table(
    chain_id: ChainArgument,
    *,
    config: ConfigOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make an empty lookup table on a Solana cluster; deliveries fill it as they need it."""

    def make() -> Answer:
        import asyncio

        from relayer import wiring_senders
        from relayer.cli.render import plain
        from relayer.errors import RefusedError
        from relayer.settings import load_settings

        settings = load_settings(config)
        chain = settings.chain(chain_id)
        if not wiring_senders.is_expiring(chain.id):
            detail = f"{chain.chain_id}: lookup tables are for Solana clusters only"
            raise RefusedError(code="no_lookup_tables", detail=detail)
        confirm(yes, f"makes a lookup table on {chain.chain_id}; the sending key pays")
        made = "0x" + asyncio.run(_made(settings, chain.id)).hex()
        return Answer(
            value={"chain_id": chain.chain_id, "lookup_table": made},
            shown=(plain(f"{made} is made; add it to chains.lookup_tables of {chain.chain_id}"),),
        )

    answer(make, as_json=as_json)


async def _made(settings: "Settings", chain_id: "ChainId") -> bytes:
    from relayer import wiring_senders

    sender = wiring_senders.expiring_sender(settings, chain_id)
    try:
        async with opened_reader(settings, chain_id) as reader:
            height = (await reader.heads()).finalized.block.height
        return await make_table(sender, height)
    finally:
        await sender.close()


async def make_table(sender: "ExpiringSender", height: int) -> bytes:
    """
    Make a table of a sender's and return where it is, once it is in a confirmed block.

    Args:
        height: a recent slot that has a block; the table's address comes from it.

    Raises:
        NotYetError: it is in no block in time; a table more does no harm.
    """
    import asyncio

    from chains.sending import Landed
    from relayer import wiring_senders
    from relayer.errors import NotYetError

    key, call = wiring_senders.lookup_table_call(sender, height)
    signed = await sender.prepare(call, await sender.suggest_fee(call))
    for _ in range(POLLS_MAX):
        await sender.broadcast(signed)
        if isinstance(await sender.sighting(signed), Landed):
            return key
        await asyncio.sleep(POLL_SECONDS)
    detail = f"{sender.chain_id}: the table is in no block yet; run the command again"
    raise NotYetError(reason="inclusion_awaited", detail=detail)
