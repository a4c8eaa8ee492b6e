"""Methods about accounts and tokens."""

from typing import Any, Final

from solders.account import Account
from solders.pubkey import Pubkey

from chains.devnet.solana.codec import account_fields, pubkey_of
from chains.devnet.solana.filters import filters_of
from chains.devnet.solana.methods.node import Method, Node
from chains.devnet.solana.params import Params, in_context
from chains.devnet.solana.records import (
    TOKEN_PROGRAMS,
    decimals_of,
    is_token_account,
    supply_of,
    units_of,
)
from chains.devnet.solana.refusals import invalid
from chains.devnet.solana.views import token_amount

ACCOUNTS_MAX: Final = 100
ACCOUNT_BYTES_MAX: Final = 10 * 1024 * 1024


class AccountMethods:
    """Answers about accounts, at every level of commitment."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.methods: dict[str, Method] = {
            "getBalance": self._balance,
            "getAccountInfo": self._account,
            "getMultipleAccounts": self._accounts,
            "getProgramAccounts": self._program_accounts,
            "getMinimumBalanceForRentExemption": self._rent,
            "getTokenAccountBalance": self._token_balance,
            "getTokenSupply": self._token_supply,
            "getTokenAccountsByOwner": self._token_accounts,
        }

    def _balance(self, params: Params) -> dict[str, Any]:
        key = pubkey_of(params.required(0))
        slot = self.node.slot_of(params.config(1))
        account = self.node.ledger.bank.account(key, slot)
        return in_context(slot, 0 if account is None else account.lamports)

    def _account(self, params: Params) -> dict[str, Any]:
        key, config = pubkey_of(params.required(0)), params.config(1)
        slot = self.node.slot_of(config)
        return in_context(slot, self._shown(key, slot, config))

    def _accounts(self, params: Params) -> dict[str, Any]:
        config = {"encoding": "base64"} | params.config(1)
        keys = [pubkey_of(key) for key in params.listed(0, most=ACCOUNTS_MAX)]
        slot = self.node.slot_of(config)
        return in_context(slot, [self._shown(key, slot, config) for key in keys])

    def _shown(self, key: Pubkey, slot: int, config: dict[str, Any]) -> dict[str, Any] | None:
        account = self.node.ledger.bank.account(key, slot)
        return None if account is None else account_fields(account, config)

    def _program_accounts(self, params: Params) -> Any:
        owner, config = pubkey_of(params.required(0)), params.config(1)
        is_kept = filters_of(config)
        slot = self.node.slot_of(config)
        listed = [
            {"pubkey": str(key), "account": account_fields(account, config)}
            for key, account in self.node.ledger.bank.owned_by(owner, slot)
            if is_kept(account)
        ]
        return in_context(slot, listed) if config.get("withContext") is True else listed

    def _rent(self, params: Params) -> int:
        size = params.integer(0)
        if size > ACCOUNT_BYTES_MAX:
            raise invalid(f"an account has at most {ACCOUNT_BYTES_MAX} bytes")
        return self.node.ledger.bank.svm.minimum_balance_for_rent_exemption(size)

    def _token_balance(self, params: Params) -> dict[str, Any]:
        key, slot = pubkey_of(params.required(0)), self.node.slot_of(params.config(1))
        account = self._existing(key, slot)
        if not is_token_account(account):
            raise invalid("Invalid param: not a Token account")
        mint = Pubkey.from_bytes(account.data[:32])
        return in_context(slot, token_amount(units_of(account), self._decimals(mint, slot)))

    def _token_supply(self, params: Params) -> dict[str, Any]:
        key, slot = pubkey_of(params.required(0)), self.node.slot_of(params.config(1))
        decimals = self._decimals(key, slot)
        return in_context(slot, token_amount(supply_of(self._existing(key, slot)), decimals))

    def _token_accounts(self, params: Params) -> dict[str, Any]:
        owner, asked, config = pubkey_of(params.required(0)), params.config(1), params.config(2)
        slot = self.node.slot_of(config)
        mint = program = None
        if "mint" in asked:
            mint = pubkey_of(asked["mint"])
            self._decimals(mint, slot)
        elif "programId" in asked:
            program = pubkey_of(asked["programId"])
            if program not in TOKEN_PROGRAMS:
                raise invalid("Invalid param: unrecognized Token program id")
        else:
            raise invalid("Invalid params: mint or programId is needed")
        programs = TOKEN_PROGRAMS if program is None else (program,)
        found = [
            {"pubkey": str(key), "account": account_fields(account, config)}
            for token_program in programs
            for key, account in self.node.ledger.bank.owned_by(token_program, slot)
            if is_token_account(account)
            and account.data[32:64] == bytes(owner)
            and (mint is None or account.data[:32] == bytes(mint))
        ]
        return in_context(slot, found)

    def _existing(self, key: Pubkey, slot: int) -> Account:
        account = self.node.ledger.bank.account(key, slot)
        if account is None:
            raise invalid("Invalid param: could not find account")
        return account

    def _decimals(self, mint: Pubkey, slot: int) -> int:
        decimals = decimals_of(self._existing(mint, slot))
        if decimals is None:
            raise invalid("Invalid param: not a Token mint")
        return decimals
