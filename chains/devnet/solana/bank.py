"""Accounts as they are and as they were since the newest final slot."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Final

from solders.account import Account
from solders.epoch_schedule import EpochSchedule
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey

from chains.devnet.solana.codec import NO_ACCOUNT
from chains.devnet.solana.options import SLOTS_PER_EPOCH

UPGRADEABLE_LOADER: Final = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")
BASE_SLOT: Final = -1  # what an account was before all versions that are kept

Version = tuple[int, Account | None]


class Bank:
    """
    The runtime and the versions of what it changed. Not for threads.

    The newest version of an account is what the runtime holds; an account without versions has not
    changed since the newest final slot.
    """

    def __init__(self) -> None:
        self.svm = LiteSVM().with_transaction_history(0).with_blockhash_check(False)
        # The runtime's own faucet has another key each time; the cluster's comes from the seed.
        self.svm.set_account(self.svm.airdrop_pubkey(), NO_ACCOUNT)
        schedule = EpochSchedule.custom(SLOTS_PER_EPOCH, SLOTS_PER_EPOCH, False)
        self.svm.set_epoch_schedule(schedule)
        self._versions: dict[Pubkey, list[Version]] = {}
        self._changed: dict[int, dict[Pubkey, None]] = {}

    def newest(self, key: Pubkey) -> Account | None:
        """Return an account as it is."""
        return self.svm.get_account(key)

    def account(self, key: Pubkey, slot: int) -> Account | None:
        """Return an account as it was at the end of a slot."""
        for at, account in reversed(self._versions.get(key, ())):
            if at <= slot:
                return account
        return self.svm.get_account(key)

    def owned_by(self, owner: Pubkey, slot: int) -> list[tuple[Pubkey, Account]]:
        """Return the accounts of a program as they were at the end of a slot, by address."""
        found = dict(self.svm.get_program_accounts(owner))
        for key in self._versions:
            account = self.account(key, slot)
            found.pop(key, None)
            if account is not None and account.owner == owner:
                found[key] = account
        return sorted(found.items(), key=lambda item: bytes(item[0]))

    def changed_in(self, first: int, last: int) -> list[Pubkey]:
        """Return what changed in the slots from first to last, each account once."""
        keys: dict[Pubkey, None] = {}
        for slot in sorted(slot for slot in self._changed if first <= slot <= last):
            keys |= self._changed[slot]
        return list(keys)

    def write(self, key: Pubkey, account: Account | None, slot: int) -> None:
        """Set an account and keep what it was."""
        before = self.newest(key)
        self._set(key, account)
        self.note(key, before, slot)

    def note(self, key: Pubkey, before: Account | None, slot: int) -> bool:
        """Keep what an account was before the runtime changed it; False where it did not."""
        after = self.svm.get_account(key)
        if after == before:
            return False
        versions = self._versions.setdefault(key, [(BASE_SLOT, before)])
        if versions[-1][0] == slot:
            versions.pop()
        versions.append((slot, after))
        self._changed.setdefault(slot, {})[key] = None
        return True

    def forget(self, final_slot: int) -> None:
        """Drop the versions that no level can ask for any more."""
        for slot in [slot for slot in self._changed if slot <= final_slot]:
            for key in self._changed.pop(slot):
                versions = self._versions.get(key, [])
                is_old = [at <= final_slot for at, _ in versions]
                del versions[: max(sum(is_old) - 1, 0)]
                if len(versions) == 1:
                    del self._versions[key]

    def roll_back(self, last_slot: int) -> list[Pubkey]:
        """Undo every change above a slot; return what changed back."""
        keys: dict[Pubkey, None] = {}
        for slot in [slot for slot in self._changed if slot > last_slot]:
            keys |= self._changed.pop(slot)
        restored: dict[Pubkey, Account | None] = {}
        for key in keys:
            versions = [one for one in self._versions[key] if one[0] <= last_slot]
            restored[key] = versions[-1][1]
            if len(versions) == 1:
                del self._versions[key]
            else:
                self._versions[key] = versions
        self._restore(restored)
        return list(restored)

    @contextlib.contextmanager
    def staged(self, accounts: dict[Pubkey, Account | None]) -> Iterator[None]:
        """Let the runtime see other accounts for the length of a with statement."""
        before = {key: self.newest(key) for key in accounts}
        self._restore(accounts)
        try:
            yield
        finally:
            self._restore(before)

    def as_of(self, keys: Iterable[Pubkey], slot: int) -> dict[Pubkey, Account | None]:
        """Return those of some accounts that differ at the end of a slot from what they are."""
        found = {}
        for key in keys:
            if key in self._versions and self._versions[key][-1][0] > slot:
                found[key] = self.account(key, slot)
        return found

    def _restore(self, accounts: dict[Pubkey, Account | None]) -> None:
        """Set accounts; programs last, and all of them where the code of one may have changed."""
        programs = {key: one for key, one in accounts.items() if one is not None and one.executable}
        for key, account in accounts.items():
            if key not in programs:
                self._set(key, account)
        if any(one is not None and one.owner == UPGRADEABLE_LOADER for one in accounts.values()):
            owned = self.svm.get_program_accounts(UPGRADEABLE_LOADER)
            programs = {key: one for key, one in owned if one.executable} | programs
        for key, account in programs.items():
            self._set(key, account)

    def _set(self, key: Pubkey, account: Account | None) -> None:
        self.svm.set_account(key, NO_ACCOUNT if account is None else account)
