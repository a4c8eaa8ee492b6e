"""Facts about a Solana node, a vault and its program, for the doctor."""

import asyncio
import struct
from typing import Final

from solana.rpc.commitment import Confirmed
from solana.rpc.jsonrpc import SolanaJsonRpcError
from solana.rpc.websocket_api import SolanaWsClient
from solders.pubkey import Pubkey
from solders.rpc.config import RpcTransactionLogsFilterMentions
from solders.sysvar import CLOCK

from chains.errors import MessageFormatError, RpcUnavailableError
from chains.inspection import ExitTerms, ListedToken, ProgramFacts, VaultFacts
from chains.line.client import RPC_TIMEOUT_SECONDS
from chains.line.http import SILENT_LOGGER
from chains.line.shapes import AnswerShapeError, fields_of, shown, usable
from chains.line.wakeup import SOCKET_ERRORS
from chains.solana.answers import AccountContent, accounts_of, context_of, number_of
from chains.solana.history import FIRST_METHOD, SolanaWatched
from chains.solana.rpc import Level, SolanaRpc
from chains.solana.states import METHOD as ACCOUNTS_METHOD
from chains.solana.vault_addresses import UPGRADEABLE_LOADER, VaultAddresses, program_content
from chains.solana.vault_layout import VaultState, decode_asset, decode_vault
from chains.types import ChainId

LOADERS: Final = (
    bytes(UPGRADEABLE_LOADER),
    bytes(Pubkey.from_string("BPFLoader2111111111111111111111111111111111")),
    bytes(Pubkey.from_string("BPFLoader1111111111111111111111111111111111")),
)
CONTENT_TAG: Final = b"\x03\x00\x00\x00"  # then u64 slot, u8 whether an authority follows, key
AUTHORITY_AT: Final = 12
KEY_BYTES: Final = 32
# Slot, start of the epoch, epoch, epoch of the leader schedule, Unix seconds: what programs see.
CLOCK_CONTENT: Final = struct.Struct("<QqQQq")
VERSION_LETTERS_MAX: Final = 64
SUBSCRIBE_SECONDS_MAX: Final = 5.0


class SolanaInspector:
    """
    chains.inspection.ProgramInspector over one node.

    Args:
        rpc_url: may hold a key; it is never logged nor part of an error.
    """

    def __init__(
        self,
        chain_id: ChainId,
        rpc_url: str,
        *,
        watched: SolanaWatched,
        timeout_seconds: float = RPC_TIMEOUT_SECONDS,
    ) -> None:
        self._rpc = SolanaRpc(chain_id, rpc_url, timeout_seconds=timeout_seconds)
        self._watched = watched
        self._at = VaultAddresses(Pubkey(watched.program_id), Pubkey(watched.vault))

    async def close(self) -> None:
        """Give the connections back."""
        await self._rpc.close()

    async def version(self) -> str:
        """Return the version of a node that says it is well."""
        answer = await self._rpc.call("getHealth", [])
        if answer != "ok":
            raise self._unavailable("getHealth", f"it says {shown(answer)}")
        answer = await self._rpc.call("getVersion", [])
        with usable(self._rpc.chain_id, "getVersion"):
            found = fields_of(answer, "version").get("solana-core")
            if not isinstance(found, str) or len(found) > VERSION_LETTERS_MAX:
                raise AnswerShapeError(f"solana-core is {shown(found)}")
            return found

    async def first_height(self) -> int:
        """Return the oldest slot whose block the node still has."""
        answer = await self._rpc.call(FIRST_METHOD, [])
        with usable(self._rpc.chain_id, FIRST_METHOD):
            return number_of(answer, "first available block")

    async def vault(self) -> VaultFacts | None:
        """Return what stands at the vault's address, None where nothing does."""
        found, clock = await self._accounts(self._at.vault, CLOCK)
        if found is None:
            return None
        try:
            vault = decode_vault(found.content)
        except MessageFormatError:
            return VaultFacts(found.owner, is_vault=False)
        return VaultFacts(
            program=found.owner,
            is_vault=True,
            hub_key=vault.hub_key,
            chain_key=vault.chain_key,
            is_sealed=vault.is_sealed,
            pause_flags=vault.pause_flags,
            exit_terms=_exit_terms(vault, clock),
        )

    async def listed(self) -> tuple[ListedToken, ...]:
        """Return which of the configured mints the vault lists."""
        mints = self._watched.mints
        found = await self._accounts(*(self._at.asset(Pubkey(mint)) for mint in mints))
        listed = []
        for mint, account in zip(mints, found, strict=True):
            if account is None or account.owner != self._watched.program_id:
                continue
            with usable(self._rpc.chain_id, ACCOUNTS_METHOD):
                try:
                    listed.append(ListedToken(mint, decode_asset(account.content).decimals))
                except MessageFormatError as exc:
                    raise AnswerShapeError(str(exc)) from exc
        return tuple(listed)

    async def program(self) -> ProgramFacts:
        """Return whether the configured program is there, and who may replace it."""
        key = self._at.program_id
        program, content = await self._accounts(key, program_content(key))
        if program is None or program.owner not in LOADERS:
            return ProgramFacts(is_deployed=False, authority=None)
        if program.owner != LOADERS[0]:
            return ProgramFacts(is_deployed=True, authority=None)
        raw = b"" if content is None else content.content
        if not raw.startswith(CONTENT_TAG) or len(raw) <= AUTHORITY_AT + KEY_BYTES:
            return ProgramFacts(is_deployed=False, authority=None)
        authority = raw[AUTHORITY_AT + 1 : AUTHORITY_AT + 1 + KEY_BYTES]
        return ProgramFacts(is_deployed=True, authority=authority if raw[AUTHORITY_AT] else None)

    async def subscribe(self, websocket_url: str) -> None:
        """Subscribe once to what names the vault."""
        client = SolanaWsClient(websocket_url, logger=SILENT_LOGGER)
        mentions = RpcTransactionLogsFilterMentions(Pubkey(self._watched.vault))
        try:
            async with asyncio.timeout(SUBSCRIBE_SECONDS_MAX), client:
                await client.logs_subscribe(filter_=mentions, commitment=Confirmed)
        except (*SOCKET_ERRORS, SolanaJsonRpcError) as exc:
            # The text of these errors may hold the URL, which may hold a key.
            raise self._unavailable("logsSubscribe", type(exc).__name__) from None

    async def _accounts(self, *keys: Pubkey) -> tuple[AccountContent | None, ...]:
        if not keys:
            return ()
        config = {"commitment": Level.CONFIRMED.value, "encoding": "base64"}
        answer = await self._rpc.call(ACCOUNTS_METHOD, [[str(key) for key in keys], config])
        with usable(self._rpc.chain_id, ACCOUNTS_METHOD):
            return accounts_of(context_of(answer)[1], len(keys))

    def _unavailable(self, method: str, reason: str) -> RpcUnavailableError:
        return RpcUnavailableError(chain_id=self._rpc.chain_id, method=method, reason=reason)


def _exit_terms(vault: VaultState, clock: AccountContent | None) -> ExitTerms | None:
    if clock is None or len(clock.content) != CLOCK_CONTENT.size:
        return None
    now_seconds = CLOCK_CONTENT.unpack(clock.content)[4]
    if now_seconds < 0:
        return None  # the program refuses everything then
    return ExitTerms(vault.last_attested_at, vault.exit_delay_seconds, now_seconds=now_seconds)
