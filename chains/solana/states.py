"""
States pinned to a block, on nodes that only have the newest ones.

The accounts are read at some slot S at or above the block B, in one answer. Then the events of the
vault in the slots after B up to S are taken back, newest first. Each carries what the vault held
after it, so the way back is held against itself at every step.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from solders.pubkey import Pubkey

from chains.attestation import GuardianSet
from chains.base58 import base58_of
from chains.errors import (
    AttestationError,
    BlockGoneError,
    MessageFormatError,
    RangeTooLargeError,
    RpcAnswerError,
    RpcContradictionError,
)
from chains.events import (
    CollateralExited,
    CollateralLocked,
    CollateralReleased,
    CollateralSeized,
)
from chains.line.client import RpcFaultError
from chains.line.http import AnswerTooLargeError
from chains.line.shapes import usable
from chains.port import VaultState
from chains.solana import vault_layout
from chains.solana.answers import AccountContent, accounts_of, context_of
from chains.solana.decode import moved_units
from chains.solana.faults import MIN_CONTEXT_SLOT
from chains.solana.headers import Headers
from chains.solana.history import BlockFacts, History
from chains.solana.outflow import OutflowRing
from chains.solana.rpc import Level, SolanaRpc
from chains.solana.trail import Trail
from chains.solana.vault_addresses import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from chains.solana.vault_events import VaultEventKind
from chains.solana.vault_layout import AssetState
from chains.types import BlockHeader, BlockRef, chain_key

METHOD: Final = "getMultipleAccounts"
TAKE_BACK_BLOCKS_MAX: Final = 64  # blocks with events between the asked one and the newest
PAUSE_OUTFLOW: Final = 1
PAUSE_LOCKS: Final = 2
TOKEN_PROGRAMS: Final = (bytes(TOKEN_PROGRAM), bytes(TOKEN_2022_PROGRAM))
TOKEN_ACCOUNT_BYTES: Final = 165
TOKEN_UNITS_AT: Final = 64
TOKEN_STATE_AT: Final = 108
CollateralEvent = CollateralLocked | CollateralReleased | CollateralSeized | CollateralExited
# After one of these the limits at the block are not known any more.
SETTINGS: Final = frozenset(
    {
        VaultEventKind.PAUSE_CHANGED,
        VaultEventKind.OUTFLOW_CAPACITY_CHANGED,
        VaultEventKind.OUTFLOW_WINDOW_CHANGED,
    }
)


@dataclass(frozen=True, slots=True)
class Pinned:
    """
    Accounts at a slot, and what happened between the asked block and that slot.

    Args:
        header: the asked block; None where the newest state was asked for.
        since: the blocks after it up to the slot that hold something of the vault, ascending.
    """

    slot: int
    header: BlockHeader | None
    contents: tuple[AccountContent | None, ...]
    since: tuple[BlockFacts, ...]
    level: Level

    @property
    def events(self) -> tuple[CollateralEvent, ...]:
        """What moved collateral since, in order."""
        facts = (fact for block in self.since for fact in block.facts)
        found = (fact.observed for fact in facts)
        return tuple(event for event in found if isinstance(event, CollateralEvent))

    def kinds(self) -> frozenset[VaultEventKind]:
        """Return the kinds of what happened since."""
        return frozenset(fact.event.kind for block in self.since for fact in block.facts)


class States:
    """Reads states of one vault from one node."""

    def __init__(self, rpc: SolanaRpc, headers: Headers, history: History) -> None:
        self._rpc = rpc
        self._headers = headers
        self._history = history
        self._at = history.at

    async def vault_state(self, mint: bytes, block: BlockRef) -> VaultState:
        """Return what the vault said about a token at a block."""
        mint_key = Pubkey(mint)
        keys = (self._at.vault, self._at.asset(mint_key), self._at.custody(mint_key))
        pinned = await self.pinned(keys, block)
        vault = self._vault(pinned.contents[0])
        asset = self._asset(pinned.contents[1], mint)
        held, outflow, flags = 0, 0, vault.pause_flags
        if asset is not None:
            held = self.held_before(pinned, mint, asset.held_units)
            if SETTINGS & pinned.kinds():
                raise self._too_far(block, "the vault's settings were changed since")
            flags |= asset.pause_flags
            outflow = self._outflow(pinned, asset, block)
        elif any(event.token == mint for event in pinned.events):
            raise self._contradiction("an unlisted token has moved")
        locks = sum(isinstance(event, CollateralLocked) for event in pinned.events)
        if locks > vault.lock_count:
            raise self._contradiction(f"{locks} locks since, {vault.lock_count} in all")
        return VaultState(
            block=block,
            vault=self._history.watched.vault,
            token=mint,
            held_units=held,
            balance_units=await self._balance(pinned, mint, asset),
            outflow_available_units=outflow,
            lock_count=vault.lock_count - locks,
            is_outflow_paused=bool(flags & PAUSE_OUTFLOW),
            is_lock_paused=bool(flags & PAUSE_LOCKS),
        )

    async def collateral_units(self, account: bytes, mint: bytes, block: BlockRef) -> int:
        """Return what the vault held for one account at a block. [token base units]"""
        position = self._at.position(account=account, mint=Pubkey(mint))
        pinned = await self.pinned((self._at.vault, position), block)
        self._vault(pinned.contents[0])
        units = 0
        found_position = pinned.contents[1]
        # Anybody may send lamports to the address of a position that is not there yet.
        if found_position is not None and found_position.content:
            with self._readable():
                found = vault_layout.decode_position(self._own(found_position))
            if (found.account, found.mint) != (account, mint):
                raise self._unusable("the position is another account's or another token's")
            units = found.units
        for event in reversed(pinned.events):
            if event.token == mint and event.account == account:
                units -= signed_units(event)
                if units < 0:
                    raise self._contradiction("an account held less than nothing")
        return units

    async def guardian_set(self, block: BlockRef | None) -> GuardianSet:
        """Return the guardian set that was current at a block, or is."""
        pinned = await self.pinned((self._at.vault,), block)
        index = self._vault(pinned.contents[0]).guardian_set_index
        rotations = sum(
            fact.event.kind is VaultEventKind.GUARDIAN_SET_ROTATED
            for one in pinned.since
            for fact in one.facts
        )
        if rotations > index:
            raise self._contradiction(f"{rotations} rotations since, and the set is number {index}")
        key = self._at.guardian_set(index - rotations)
        _, contents, _ = await self._accounts((key,), pinned.slot)
        if contents[0] is None:
            raise self._contradiction(f"guardian set {index - rotations} is not there")
        with self._readable():
            stored = vault_layout.decode_guardian_set(self._own(contents[0]))
            if stored.index != index - rotations:
                raise self._unusable(f"guardian set {stored.index} at the place of another")
            try:
                return GuardianSet(stored.index, stored.threshold, stored.members)
            except AttestationError as exc:
                raise self._unusable(exc.reason) from exc

    async def is_executed(self, message_id: bytes, block: BlockRef | None) -> bool:
        """
        Return whether the vault had executed a message at a block.

        A mark holds the cluster's second. Within the second of the block the events decide.
        """
        key = self._at.executed(message_id)
        header = None if block is None else await self._headers.check(block)
        _, contents, _ = await self._accounts((key,), 0 if block is None else block.height)
        if contents[0] is None or not contents[0].content:
            if block is not None:
                await self._headers.check(block)
            return False
        with self._readable():
            mark = vault_layout.decode_executed(self._own(contents[0]))
        if mark.message_id != message_id:
            raise self._unusable("the mark is another message's")
        if block is None or header is None:
            return True
        if mark.executed_at != header.timestamp_seconds:
            await self._headers.check(block)
            return mark.executed_at < header.timestamp_seconds
        pinned = await self.pinned((key,), block)
        return not any(
            fact.event.words.get("message_id") == message_id
            for one in pinned.since
            for fact in one.facts
        )

    # ---- inside

    async def pinned(self, keys: Sequence[Pubkey], block: BlockRef | None) -> Pinned:
        """
        Return accounts as of a slot at or above a block, and what happened in between.

        Raises:
            BlockGoneError: the block is not on the node's chain, or too much happened since.
        """
        if block is None:
            slot, contents, _ = await self._accounts(keys, 0)
            return Pinned(slot, None, contents, (), Level.CONFIRMED)
        header = await self._headers.check(block)
        slot, contents, level = await self._accounts(keys, block.height)
        since = await self._since(block, slot, level)
        await self._headers.check(block)
        return Pinned(slot, header, contents, since, level)

    async def _since(self, block: BlockRef, slot: int, level: Level) -> tuple[BlockFacts, ...]:
        if slot == block.height:
            return ()
        try:
            found = await self._history.of_range(block.height + 1, slot, level)
        except RangeTooLargeError:
            raise self._too_far(block, "too much happened since") from None
        if len(found) > TAKE_BACK_BLOCKS_MAX:
            raise self._too_far(block, f"{len(found)} blocks with events since")
        if any(one.malformed for one in found):
            raise self._contradiction("an event since then cannot be read")
        return found

    async def _accounts(
        self, keys: Sequence[Pubkey], slot_min: int
    ) -> tuple[int, tuple[AccountContent | None, ...], Level]:
        """Return a slot at or above the least one, the accounts there, and how sure that is."""
        texts = [str(key) for key in keys]
        levels = (Level.FINALIZED, Level.CONFIRMED) if slot_min else (Level.CONFIRMED,)
        for level in levels:
            config = {"commitment": level.value, "encoding": "base64", "minContextSlot": slot_min}
            try:
                answer = await self._rpc.request(METHOD, [texts, config])
            except RpcFaultError as fault:
                if fault.code == MIN_CONTEXT_SLOT and level is not levels[-1]:
                    continue
                reference = str(slot_min)
                raise self._rpc.classified(METHOD, fault, reference=reference) from fault
            except AnswerTooLargeError:
                raise self._unusable("the accounts are too large") from None
            with usable(self._rpc.chain_id, METHOD):
                slot, value = context_of(answer)
                contents = accounts_of(value, len(keys))
            if slot < slot_min:
                raise self._unusable(f"states of slot {slot}, at least {slot_min} was asked for")
            return slot, contents, level
        raise self._headers.gone(slot_min)

    def held_before(self, pinned: Pinned, mint: bytes, held: int) -> int:
        """Return what was held at the block; each event must say what the next one found."""
        for event in reversed(pinned.events):
            if event.token != mint:
                continue
            if event.held_after_units != held:
                raise self._contradiction(
                    f"{held} units are held, and {event.held_after_units} after the last event"
                )
            held -= signed_units(event)
            if held < 0:
                raise self._contradiction("the vault held less than nothing")
        return held

    async def _balance(self, pinned: Pinned, mint: bytes, asset: AssetState | None) -> int:
        """
        Return what was in custody at the block; anybody may send tokens there, past the vault.

        So the custody account's own history is taken back, each step held against itself.
        """
        custody = bytes(self._at.custody(Pubkey(mint)))
        units = self._custody_units(pinned.contents[2], mint, asset)
        if pinned.header is None or pinned.slot == pinned.header.block.height:
            return units
        first = pinned.header.block.height + 1
        trail = Trail(self._rpc, custody)
        try:
            blocks = await self._history.read_range(trail, first, pinned.slot, pinned.level)
        except RangeTooLargeError:
            raise self._too_far(pinned.header.block, "too much came into custody since") from None
        if len(blocks) > TAKE_BACK_BLOCKS_MAX or any(one.lost for one in blocks):
            raise self._too_far(pinned.header.block, f"{len(blocks)} blocks move custody since")
        for one in reversed([each for block in blocks for each in block.content.succeeded]):
            holding = one.after.get(custody)
            if holding is not None and (holding.mint != mint or holding.units != units):
                raise self._contradiction(f"{units} units in custody, and {holding.units} before")
            units -= moved_units(one, custody, mint)
        return units

    def _custody_units(
        self, found: AccountContent | None, mint: bytes, asset: AssetState | None
    ) -> int:
        if asset is None:
            return 0  # the vault has no custody of an unlisted token
        if found is None:
            raise self._contradiction("a listed token has no custody account")
        raw = found.content
        is_account = found.owner == asset.token_program and len(raw) >= TOKEN_ACCOUNT_BYTES
        if not is_account or raw[:32] != mint or raw[TOKEN_STATE_AT] == 0:
            raise self._unusable("the custody account is no token account of the mint")
        return int.from_bytes(raw[TOKEN_UNITS_AT : TOKEN_UNITS_AT + 8], "little")

    def _vault(self, found: AccountContent | None) -> vault_layout.VaultState:
        if found is None or found.owner != self._history.watched.program_id:
            address = base58_of(self._history.watched.vault)
            raise self._unusable(
                f"{address} is no vault of the program; check the configured address and program"
            )
        with self._readable():
            vault = vault_layout.decode_vault(found.content)
            if vault.chain_key != chain_key(self._rpc.chain_id):
                raise self._unusable("the vault is made for another chain")
            return vault

    def _asset(self, found: AccountContent | None, mint: bytes) -> AssetState | None:
        if found is None or not found.content:
            return None
        with self._readable():
            asset = vault_layout.decode_asset(self._own(found))
        custody = bytes(self._at.custody(Pubkey(mint)))
        if asset.mint != mint or asset.custody != custody:
            raise self._unusable("the token's account is another token's")
        if asset.token_program not in TOKEN_PROGRAMS:
            raise self._unusable("the token is of no token program")
        return asset

    def _own(self, found: AccountContent) -> bytes:
        """Return what an account of the program holds."""
        if found.owner != self._history.watched.program_id:
            raise self._unusable("an account of the vault belongs to another program")
        return found.content

    def _outflow(self, pinned: Pinned, asset: AssetState, block: BlockRef) -> int:
        outflows = [
            (one.header.timestamp_seconds, event.units)
            for one in pinned.since
            for fact in one.facts
            if isinstance(event := fact.observed, CollateralReleased | CollateralSeized)
            and event.token == asset.mint
        ]
        if pinned.header is None:
            raise self._headers.gone(pinned.slot)
        with usable(self._rpc.chain_id, METHOD):
            ring = OutflowRing.of(asset)
        found = ring.available_at(pinned.header.timestamp_seconds, outflows)
        if found is None:
            raise self._too_far(block, "the outflow window has moved on since")
        return found

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (MessageFormatError, ValueError) as exc:
            raise self._unusable(str(exc)) from exc

    def _unusable(self, reason: str) -> RpcAnswerError:
        return RpcAnswerError(chain_id=self._rpc.chain_id, method=METHOD, reason=reason)

    def _contradiction(self, reason: str) -> RpcContradictionError:
        return RpcContradictionError(chain_id=self._rpc.chain_id, method=METHOD, reason=reason)

    def _too_far(self, block: BlockRef, reason: str) -> BlockGoneError:
        reference = f"{block.height} (its state cannot be told any more: {reason})"
        return BlockGoneError(chain_id=self._rpc.chain_id, reference=reference)


def signed_units(event: CollateralEvent) -> int:
    """Return by how much an event changed what a vault holds. [token base units]"""
    return event.units if isinstance(event, CollateralLocked) else -event.units
