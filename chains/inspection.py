"""What a doctor asks: when owners may leave a vault; facts about nodes, accounts and programs."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ExitTerms:
    """
    When owners may leave a vault without a message.

    Args:
        last_attested_at: when it executed its last message, at first when it was made. [Unix s]
        exit_delay_seconds: how long after that they have to wait.
        now_seconds: the chain's own time, as the vault saw it where the others were read. [Unix s]
    """

    last_attested_at: int
    exit_delay_seconds: int
    now_seconds: int

    @property
    def left_seconds(self) -> int:
        """How long they still have to wait; below zero they may leave, at zero not yet."""
        return self.last_attested_at + self.exit_delay_seconds - self.now_seconds

    @property
    def is_half_gone(self) -> bool:
        """Whether less than half of the delay is left."""
        return 2 * self.left_seconds < self.exit_delay_seconds


@dataclass(frozen=True, slots=True)
class VaultFacts:
    """
    What stands at a vault's address.

    Args:
        program: which program the account belongs to.
        is_vault: whether it can be read as a vault; all that follows is empty where it cannot.
        hub_key: keccak256 of the hub it was made for, as chain_key is of its chain.
        exit_terms: None also where the node has no usable clock of its chain.
    """

    program: bytes
    is_vault: bool
    hub_key: bytes = b""
    chain_key: bytes = b""
    is_sealed: bool = False
    pause_flags: int = 0
    exit_terms: ExitTerms | None = None


@dataclass(frozen=True, slots=True)
class ListedToken:
    """A token as the vault lists it; decimals are those of its mint at the listing."""

    token: bytes
    decimals: int


@dataclass(frozen=True, slots=True)
class ProgramFacts:
    """A program: whether it is there, and who may replace it; None: nobody, for ever."""

    is_deployed: bool
    authority: bytes | None


class ProgramInspector(Protocol):
    """Asks one node."""

    async def version(self) -> str:
        """
        Return the version of a node that says it is well.

        Raises:
            RpcUnavailableError: it says that it is not.
        """
        ...

    async def first_height(self) -> int:
        """Return the oldest height whose block the node still has."""
        ...

    async def vault(self) -> VaultFacts | None:
        """Return what stands at the vault's address, None where nothing does."""
        ...

    async def listed(self) -> tuple[ListedToken, ...]:
        """Return which of the configured tokens the vault lists."""
        ...

    async def program(self) -> ProgramFacts:
        """Return whether the configured program is there, and who may replace it."""
        ...

    async def subscribe(self, websocket_url: str) -> None:
        """
        Subscribe once to what names the vault.

        Raises:
            RpcUnavailableError: the address does not take it.
        """
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...
