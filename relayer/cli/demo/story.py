"""The story: each step acts through a public door and waits until its effect is there."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from chains.command import Command, LinkOwner, OpenAccount, RequestCredit, RequestUnlock
from chains.devnet.actors import ALICE, LIQUIDATOR, OPERATOR, DevKey
from chains.devnet.kit import USDC, WETH, DeployedChain
from chains.devnet.rpc import DevnetError
from chains.errors import CallRevertedError
from chains.types import ChainId
from relayer.cli.demo.doors import DoorError, MessageDoor
from relayer.cli.demo.world import BACKSTOP, LIQUIDATOR_COLLATERAL_UNITS, OWNER, Account, World

LOCKED_WETH: Final = 10 * WETH
LOCKED_USDC: Final = 10_000 * USDC
LIMIT_USDC: Final = 20_000 * USDC
BORROWED_USDC: Final = 18_000 * USDC
UNLOCKED_WETH: Final = 1 * WETH
TOO_MUCH_WETH: Final = 5 * WETH
FALLEN_ANSWER: Final = 1_200 * 10**8
GRANT_SECONDS: Final = 1_800
REQUEST_SECONDS: Final = 600

Hook = Callable[[str], None]  # called with the name of a moment
Show = Callable[[str, float | None], None]  # a step's text, and its seconds once it is done


@dataclass
class Story:
    """One run of the story; latencies are measured at the doors. [seconds, an estimate]"""

    world: World
    door: MessageDoor
    show: Show
    hook: Hook
    latencies_estimate: dict[str, float] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    _nonce: int = 0

    def tell(self) -> None:
        """Play all of it."""
        self.open_and_link()
        self.lock()
        self.borrow()
        self.unlock_a_part()
        self.fall_and_liquidate()
        self.repay()
        self.leave()

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        """Measure one step, show it, and let the caller interfere before it."""
        self.show(text, None)
        self.hook(name)
        start = time.monotonic()
        yield
        seconds = round(time.monotonic() - start, 2)
        self.latencies_estimate[name] = seconds
        self.show(text, seconds)

    def open_and_link(self) -> None:
        """1: a margin account is opened and its owners on several chains are linked."""
        with self.step("open", "margin accounts opened, owners linked by signature"):
            for party in (OWNER, BACKSTOP):
                wallet = party.wallet
                self.door.send(OpenAccount(wallet.address, party.salt), [wallet])
                for chain in self.world.devnet.chains:
                    link = LinkOwner(party.account, chain.chain_id, wallet.address)
                    self.door.send(link, [wallet, wallet])

    def lock(self) -> None:
        """2, 3: collateral is locked on two chains; it counts as soft, then as final."""
        devnet = self.world.devnet
        chain_a, chain_b = devnet.chain_a, devnet.chain_b
        with self.step("lock.seen", "10 WETH locked on A, 10000 USDC on B: seen, soft"):
            vault, token = _vault(chain_b), chain_b.tokens["USDC"]
            chain_b.chain.approve(LIQUIDATOR, token, vault)
            chain_b.chain.lock(
                LIQUIDATOR, vault, BACKSTOP.account, token, LIQUIDATOR_COLLATERAL_UNITS
            )
            chain_b.chain.lock(ALICE, vault, OWNER.account, token, LOCKED_USDC)
            chain_a.chain.lock(
                ALICE, _vault(chain_a), OWNER.account, chain_a.tokens["WETH"], LOCKED_WETH
            )
            self.wait_balance(OWNER, chain_a.chain_id, "WETH", soft_or_final=LOCKED_WETH)
        with self.step("lock.final", "both locks are final and credited"):
            self.wait_balance(OWNER, chain_a.chain_id, "WETH", available=LOCKED_WETH)
            self.wait_balance(OWNER, chain_b.chain_id, "USDC", available=LOCKED_USDC)
            self.wait_balance(
                BACKSTOP, chain_b.chain_id, "USDC", available=LIQUIDATOR_COLLATERAL_UNITS
            )

    def borrow(self) -> None:
        """4: credit is granted for what A and B support; more is refused on chain."""
        chain = self.world.devnet.chain_c
        line = _credit_line(self.world)
        with self.step("grant", "20000 USDC of credit granted on C by 2 of 3 guardians"):
            granted = self._granted(self._credit_request(LIMIT_USDC), [ALICE, OPERATOR])
            self.door.message_in(granted["message_id"], "CONFIRMED")
        with self.step("borrow.refused", "borrowing 20001 USDC is refused by the credit line"):
            self.results["borrow_refused"] = _refusal(
                lambda: chain.chain.borrow(ALICE, line, OWNER.account, LIMIT_USDC + USDC)
            )
        with self.step("borrow", "18000 USDC borrowed on C, booked as debt"):
            chain.chain.borrow(ALICE, line, OWNER.account, BORROWED_USDC)
            self.door.wait_for(
                _account_path(OWNER),
                lambda answer: _owed(answer) >= BORROWED_USDC,
                "the debt in the ledger",
            )

    def unlock_a_part(self) -> None:
        """5: a part is unlocked; a second request would endanger the account."""
        chain = self.world.devnet.chain_a
        before = chain.chain.units_of(chain.tokens["WETH"], ALICE.address)
        with self.step("unlock", "1 WETH unlocked: held, attested, executed, settled"):
            accepted = self.door.send(self._unlock_request("WETH", UNLOCKED_WETH), [ALICE])
            self.hook("unlock.sent")
            granted = _granted(self.door.decision(accepted))
            self.door.message_in(granted["message_id"], "CONFIRMED")
        with self.step("unlock.refused", "a request for 5 WETH more is refused with its numbers"):
            request = self._unlock_request("WETH", TOO_MUCH_WETH)
            refused = self.door.decision(self.door.send(request, [ALICE]))
            if refused["state"] != "REFUSED":
                raise DoorError(f"the second unlock was not refused: {refused}")
            self.results["unlock_refused"] = f"{refused['code']}: {refused['detail']}"
        after = chain.chain.units_of(chain.tokens["WETH"], ALICE.address)
        if after - before != UNLOCKED_WETH:
            raise DoorError(f"the vault paid {after - before} units, not {UNLOCKED_WETH}")

    def fall_and_liquidate(self) -> None:
        """6: the price falls; the hub moves debt and collateral; the vault pays out once."""
        devnet = self.world.devnet
        with self.step("liquidate", "ETH fell to 1200 USD: liquidated to the target health"):
            for chain in (devnet.chain_a, devnet.chain_c):
                chain.chain.update_feed(chain.feeds["WETH"], FALLEN_ANSWER)
            seizing = self.door.wait_for(
                f"/v1/messages?account=0x{OWNER.account.hex()}",
                lambda answer: bool(_seizures(answer)),
                "the seize message",
            )
        with self.step("seize", "the vault on A paid the liquidator, once"):
            for message in _seizures(seizing):
                self.door.message_in(message["message_id"], "CONFIRMED")
            health = self.door.get(f"{_account_path(OWNER)}/health")
            self.results["health_after_liquidation"] = health

    def repay(self) -> None:
        """6: the liquidator repays what it took over; the owner repays the rest."""
        chain = self.world.devnet.chain_c
        line = _credit_line(self.world)
        with self.step("repay", "debts repaid on C by liquidator and owner"):
            assumed = _owed(self.door.get(_account_path(BACKSTOP)))
            chain.chain.repay(LIQUIDATOR, line, OWNER.account, assumed)
            chain.chain.repay(ALICE, line, OWNER.account)
            for party in (OWNER, BACKSTOP):
                self.door.wait_for(
                    _account_path(party), lambda answer: _owed(answer) == 0, "the debt to end"
                )

    def leave(self) -> None:
        """7: the grant is handed back, the rest is unlocked, the accounts end empty."""
        devnet = self.world.devnet
        with self.step("revoke", "the unused credit is handed back"):
            granted = self._granted(self._credit_request(0), [ALICE, OPERATOR])
            self.door.message_in(granted["message_id"], "CONFIRMED")
        with self.step("leave", "everything else unlocked; the accounts are empty"):
            messages = []
            for party in (OWNER, BACKSTOP):
                for balance in self.door.get(_account_path(party))["balances"]:
                    units = int(balance["available"])
                    if units:
                        request = self._unlock_request(balance["asset_id"], units, party=party)
                        messages.append(self._granted(request, [party.wallet])["message_id"])
            for message_id in messages:
                self.door.message_in(message_id, "CONFIRMED")
            for party in (OWNER, BACKSTOP):
                self.door.wait_for(
                    _account_path(party), _is_empty, f"account 0x{party.account.hex()} empty"
                )
        self.results["paid_out"] = {
            "WETH": str(devnet.chain_a.chain.units_of(devnet.chain_a.tokens["WETH"], ALICE.address))
        }

    def wait_balance(
        self,
        party: Account,
        chain_id: ChainId,
        asset_id: str,
        *,
        available: int = 0,
        soft_or_final: int = 0,
    ) -> None:
        """Wait until a balance is there."""

        def _is_there(answer: dict[str, Any]) -> bool:
            for balance in answer["balances"]:
                if (balance["chain_id"], balance["asset_id"]) == (chain_id, asset_id):
                    final, soft = int(balance["available"]), int(balance["soft"])
                    return final >= available and final + soft >= soft_or_final
            return False

        self.door.wait_for(_account_path(party), _is_there, f"{asset_id} on {chain_id}")

    def _granted(self, command: Command, signers: list[DevKey]) -> dict[str, Any]:
        return _granted(self.door.decision(self.door.send(command, signers)))

    def _fresh_nonce(self) -> bytes:
        self._nonce += 1
        return self._nonce.to_bytes(32, "big")

    def _credit_request(self, limit_units: int) -> RequestCredit:
        chain = self.world.devnet.chain_c
        now = int(time.time())
        return RequestCredit(
            account=OWNER.account,
            chain_id=chain.chain_id,
            credit_line=_credit_line(self.world),
            token=chain.tokens["USDC"],
            limit=limit_units,
            borrower=ALICE.address,
            expiry=now + GRANT_SECONDS,
            deadline=now + REQUEST_SECONDS,
            nonce=self._fresh_nonce(),
        )

    def _unlock_request(
        self, asset_id: str, units: int, *, party: Account = OWNER
    ) -> RequestUnlock:
        devnet = self.world.devnet
        chain = devnet.chain_a if asset_id == "WETH" else devnet.chain_b
        return RequestUnlock(
            account=party.account,
            chain_id=chain.chain_id,
            vault=_vault(chain),
            token=chain.tokens[asset_id],
            amount=units,
            recipient=party.wallet.address,
            deadline=int(time.time()) + REQUEST_SECONDS,
            nonce=self._fresh_nonce(),
        )


def _granted(decided: dict[str, Any]) -> dict[str, Any]:
    if decided["state"] != "GRANTED":
        raise DoorError(f"not granted: {decided['code']}: {decided['detail']}")
    return decided


def _vault(chain: DeployedChain) -> bytes:
    if chain.vault is None:
        raise DoorError(f"{chain.chain_id} has no vault")
    return chain.vault


def _credit_line(world: World) -> bytes:
    contract = world.devnet.chain_c.credit_line
    if contract is None:
        raise DoorError("chain C has no credit line")
    return contract


def _account_path(party: Account) -> str:
    return f"/v1/accounts/0x{party.account.hex()}"


def _owed(answer: dict[str, Any]) -> int:
    return sum(int(debt["owed"]) for debt in answer["debts"])


def _seizures(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [message for message in answer["messages"] if message["kind"] == "SEIZE"]


def _is_empty(answer: dict[str, Any]) -> bool:
    return not any(
        int(balance[name])
        for balance in answer["balances"]
        for name in ("available", "soft", "held", "in_flight")
    )


def _refusal(act: Callable[[], object]) -> str:
    try:
        act()
    except (DevnetError, CallRevertedError) as exc:
        return str(exc)
    raise DoorError("the contract accepted what it had to refuse")
