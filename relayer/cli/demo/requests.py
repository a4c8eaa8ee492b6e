"""The signed commands that the parties of the story send."""

import time
from dataclasses import dataclass
from typing import Final

from chains.command import RequestCredit, RequestUnlock
from chains.devnet.actors import ALICE
from relayer.cli.demo.doors import DoorError
from relayer.cli.demo.world import OWNER, Account, Place, World

GRANT_SECONDS: Final = 1_800
REQUEST_SECONDS: Final = 600


@dataclass
class Requests:
    """Makes commands of one story; each has another nonce."""

    world: World
    _nonce: int = 0

    def credit(self, limit_units: int) -> RequestCredit:
        """Return the owner's request for credit on chain C. [USDC base units]"""
        chain = self.world.devnet.chain_c
        now = int(time.time())
        return RequestCredit(
            account=OWNER.account,
            chain_id=chain.chain_id,
            credit_line=credit_line_of(self.world),
            token=chain.tokens["USDC"],
            limit=limit_units,
            borrower=ALICE.address,
            expiry=now + GRANT_SECONDS,
            deadline=now + REQUEST_SECONDS,
            nonce=self._fresh_nonce(),
        )

    def unlock(
        self, place: Place, asset_id: str, units: int, *, party: Account = OWNER
    ) -> RequestUnlock:
        """Return a party's request for collateral on a chain, to its wallet there. [base units]"""
        return RequestUnlock(
            account=party.account,
            chain_id=place.chain_id,
            vault=vault_of(place),
            token=place.tokens[asset_id],
            amount=units,
            recipient=party.wallet_on(place).address,
            deadline=int(time.time()) + REQUEST_SECONDS,
            nonce=self._fresh_nonce(),
        )

    def _fresh_nonce(self) -> bytes:
        self._nonce += 1
        return self._nonce.to_bytes(32, "big")


def vault_of(place: Place) -> bytes:
    """Return the vault of a chain that has one."""
    if place.vault is None:
        raise DoorError(f"{place.chain_id} has no vault")
    return place.vault


def credit_line_of(world: World) -> bytes:
    """Return the credit line of chain C."""
    contract = world.devnet.chain_c.credit_line
    if contract is None:
        raise DoorError("chain C has no credit line")
    return contract
