"""The story: each step acts through a public door and waits until its effect is there."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from chains.command import Command, LinkOwner, OpenAccount
from chains.devnet.actors import ALICE, LIQUIDATOR, OPERATOR
from chains.devnet.kit import USDC
from chains.devnet.rpc import DevnetError
from chains.devnet.solana_actors import SOLANA_ALICE
from chains.errors import CallRevertedError
from chains.types import ChainId
from relayer.cli.demo import plot
from relayer.cli.demo.doors import DoorError, MessageDoor, Signer
from relayer.cli.demo.requests import Requests, credit_line_of, vault_of
from relayer.cli.demo.world import BACKSTOP, OWNER, Account, World

LIQUIDATION_DECIDED: Final = "liquidation.decided"

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

    def __post_init__(self) -> None:
        self.requests = Requests(self.world)

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
                opener = party.wallet
                self.door.send(OpenAccount(opener.address, party.salt), [opener])
                for place in self.world.places.values():
                    wallet = party.wallet_on(place)
                    link = LinkOwner(party.account, place.chain_id, wallet.address)
                    self.door.send(link, [opener, wallet])

    def lock(self) -> None:
        """2, 3: collateral is locked on three chains; it counts as soft, then as final."""
        chain_a, chain_s = self.world.devnet.chain_a, self.world.chain_s
        text = "10 WETH locked on A, 10000 USDC on B, 5000 USDC and 50 SOL on S: seen, soft"
        with self.step("lock.seen", text):
            self._lock_all()
            self.wait_balance(OWNER, chain_a.chain_id, "WETH", soft_or_final=plot.LOCKED_WETH)
            self.wait_balance(OWNER, chain_s.chain_id, "SOL", soft_or_final=plot.LOCKED_SOL)
        with self.step("lock.final", "all locks are final and credited"):
            chain_b = self.world.devnet.chain_b
            for place, asset_id, units in (
                (chain_a, "WETH", plot.LOCKED_WETH),
                (chain_b, "USDC", plot.LOCKED_USDC),
                (chain_s, "USDC", plot.LOCKED_SOLANA_USDC),
                (chain_s, "SOL", plot.LOCKED_SOL),
            ):
                self.wait_balance(OWNER, place.chain_id, asset_id, available=units)
            self.wait_balance(BACKSTOP, chain_b.chain_id, "USDC", available=plot.BACKSTOP_USDC)

    def _lock_all(self) -> None:
        devnet, chain_s = self.world.devnet, self.world.chain_s
        chain_a, chain_b = devnet.chain_a, devnet.chain_b
        vault, token = vault_of(chain_b), chain_b.tokens["USDC"]
        chain_b.chain.approve(LIQUIDATOR, token, vault)
        chain_b.chain.lock(LIQUIDATOR, vault, BACKSTOP.account, token, plot.BACKSTOP_USDC)
        chain_b.chain.lock(ALICE, vault, OWNER.account, token, plot.LOCKED_USDC)
        for asset_id, units in (("USDC", plot.LOCKED_SOLANA_USDC), ("SOL", plot.LOCKED_SOL)):
            chain_s.lock(SOLANA_ALICE, OWNER.account, chain_s.tokens[asset_id], units)
        chain_a.chain.lock(
            ALICE, vault_of(chain_a), OWNER.account, chain_a.tokens["WETH"], plot.LOCKED_WETH
        )

    def borrow(self) -> None:
        """4: credit is granted for what A, B and S support; more is refused on chain."""
        chain = self.world.devnet.chain_c
        line = credit_line_of(self.world)
        with self.step("grant", "30000 USDC of credit granted on C by 2 of 3 guardians"):
            granted = self._granted(self.requests.credit(plot.LIMIT_USDC), [ALICE, OPERATOR])
            self.door.message_in(granted["message_id"], "CONFIRMED")
        with self.step("borrow.refused", "borrowing 30001 USDC is refused by the credit line"):
            self.results["borrow_refused"] = _refusal(
                lambda: chain.chain.borrow(ALICE, line, OWNER.account, plot.LIMIT_USDC + USDC)
            )
        with self.step("borrow", "29500 USDC borrowed on C, booked as debt"):
            chain.chain.borrow(ALICE, line, OWNER.account, plot.BORROWED_USDC)
            self.door.wait_for(
                _account_path(OWNER),
                lambda answer: _owed(answer) >= plot.BORROWED_USDC,
                "the debt in the ledger",
            )

    def unlock_a_part(self) -> None:
        """5: parts are unlocked on A and on S; another request would endanger the account."""
        chain_a, chain_s = self.world.devnet.chain_a, self.world.chain_s
        wallet_units: dict[str, Callable[[], int]] = {
            "WETH": lambda: chain_a.chain.units_of(chain_a.tokens["WETH"], ALICE.address),
            "SOL": lambda: chain_s.chain.units_of(chain_s.tokens["SOL"], SOLANA_ALICE.address),
        }
        before = {asset_id: count() for asset_id, count in wallet_units.items()}
        with self.step("unlock", "1 WETH unlocked on A: held, attested, executed, settled"):
            request = self.requests.unlock(chain_a, "WETH", plot.UNLOCKED_WETH)
            accepted = self.door.send(request, [ALICE])
            self.hook("unlock.sent")
            granted = _granted(self.door.decision(accepted))
            self.door.message_in(granted["message_id"], "CONFIRMED")
        with self.step("unlock.solana", "5 SOL unlocked on S, asked for by a Solana wallet"):
            request = self.requests.unlock(chain_s, "SOL", plot.UNLOCKED_SOL)
            granted = self._granted(request, [SOLANA_ALICE])
            self.door.message_in(granted["message_id"], "CONFIRMED")
        with self.step("unlock.refused", "a request for 5 WETH more is refused with its numbers"):
            request = self.requests.unlock(chain_a, "WETH", plot.TOO_MUCH_WETH)
            refused = self.door.decision(self.door.send(request, [ALICE]))
            if refused["state"] != "REFUSED":
                raise DoorError(f"the last unlock was not refused: {refused}")
            self.results["unlock_refused"] = f"{refused['code']}: {refused['detail']}"
        for asset_id, wanted in (("WETH", plot.UNLOCKED_WETH), ("SOL", plot.UNLOCKED_SOL)):
            paid = wallet_units[asset_id]() - before[asset_id]
            if paid != wanted:
                raise DoorError(f"the vault paid {paid} units of {asset_id}, not {wanted}")

    def fall_and_liquidate(self) -> None:
        """6: prices fall; the hub moves debt and collateral; each vault pays out once."""
        devnet = self.world.devnet
        text = "SOL fell to 100 USD and ETH to 1500: liquidated to the target health"
        with self.step("liquidate", text):
            falls = (("SOL", plot.FALLEN_SOL_ANSWER), ("WETH", plot.FALLEN_WETH_ANSWER))
            for asset_id, answer in falls:
                for chain in (devnet.chain_a, devnet.chain_c):
                    chain.chain.update_feed(chain.feeds[asset_id], answer)
            seizing = self.door.wait_for(
                f"/v1/messages?account=0x{OWNER.account.hex()}",
                lambda answer: len(_seizures(answer)) == plot.SEIZURES,
                "two seize messages",
            )
        with self.step("seize", "the vaults on S and A paid the liquidator, once each"):
            for message in _seizures(seizing):
                self.door.message_in(message["message_id"], "CONFIRMED")
            health = self.door.get(f"{_account_path(OWNER)}/health")
            self.results["health_after_liquidation"] = health
            self.results["liquidations"] = self._liquidations()

    def _liquidations(self) -> list[dict[str, Any]]:
        """Return the numbers behind each liquidation, in order."""
        events: list[dict[str, Any]] = []
        after = 0
        while page := self.door.get(f"{_account_path(OWNER)}/events?after={after}")["events"]:
            events += page
            after = page[-1]["accountseq"]
        return [event["data"] for event in events if event["type"] == LIQUIDATION_DECIDED]

    def repay(self) -> None:
        """6: the liquidator repays what it took over; the owner repays the rest."""
        chain = self.world.devnet.chain_c
        line = credit_line_of(self.world)
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
        with self.step("revoke", "the unused credit is handed back"):
            granted = self._granted(self.requests.credit(0), [ALICE, OPERATOR])
            self.door.message_in(granted["message_id"], "CONFIRMED")
        with self.step("leave", "everything else unlocked; the accounts are empty"):
            messages = [
                self._unlock_all(party, balance)["message_id"]
                for party in (OWNER, BACKSTOP)
                for balance in self.door.get(_account_path(party))["balances"]
                if int(balance["available"])
            ]
            for message_id in messages:
                self.door.message_in(message_id, "CONFIRMED")
            for party in (OWNER, BACKSTOP):
                self.door.wait_for(
                    _account_path(party), _is_empty, f"account 0x{party.account.hex()} empty"
                )

    def _unlock_all(self, party: Account, balance: dict[str, Any]) -> dict[str, Any]:
        place = self.world.place_of(ChainId(balance["chain_id"]))
        units = int(balance["available"])
        request = self.requests.unlock(place, balance["asset_id"], units, party=party)
        return self._granted(request, [party.wallet_on(place)])

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

    def _granted(self, command: Command, signers: list[Signer]) -> dict[str, Any]:
        return _granted(self.door.decision(self.door.send(command, signers)))


def _granted(decided: dict[str, Any]) -> dict[str, Any]:
    if decided["state"] != "GRANTED":
        raise DoorError(f"not granted: {decided['code']}: {decided['detail']}")
    return decided


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
