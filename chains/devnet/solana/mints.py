"""Tokens for tests: made and given by real transactions, so that histories show them."""

from collections.abc import Sequence
from typing import Final

from solders.account import Account
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account
from solders.transaction import VersionedTransaction
from spl.token.instructions import (
    create_idempotent_associated_token_account,
    get_associated_token_address,
    initialize_mint2,
    mint_to_checked,
)
from spl.token.models import InitializeMint2Params, MintToCheckedParams

from chains.devnet.rpc import DevnetError
from chains.devnet.solana.pipeline import Pipeline
from chains.devnet.solana.records import MINT_BYTES, TOKEN_PROGRAM, decimals_of
from chains.finality import Finality

MEMO: Final = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
NATIVE_MINT: Final = Pubkey.from_string("So11111111111111111111111111111111111111112")
NATIVE_DECIMALS: Final = 9
NATIVE_MINT_LAMPORTS: Final = 1_461_600


def native_mint() -> Account:
    """Return the mint of wrapped SOL, which every cluster has from its genesis on."""
    without_authority, supply = bytes(4 + 32), bytes(8)
    content = without_authority + supply + bytes((NATIVE_DECIMALS, 1)) + without_authority
    return Account(NATIVE_MINT_LAMPORTS, content, TOKEN_PROGRAM)


def create_mint(pipeline: Pipeline, authority: Keypair, decimals: int, mint: Keypair) -> Pubkey:
    """
    Make a token and return its address.

    Raises:
        DevnetError: the address is taken.
    """
    svm = pipeline.ledger.bank.svm
    rent = svm.minimum_balance_for_rent_exemption(MINT_BYTES)
    create = create_account(
        CreateAccountParams(
            from_pubkey=authority.pubkey(),
            to_pubkey=mint.pubkey(),
            lamports=rent,
            space=MINT_BYTES,
            owner=TOKEN_PROGRAM,
        )
    )
    initialize = initialize_mint2(
        InitializeMint2Params(
            decimals=decimals,
            program_id=TOKEN_PROGRAM,
            mint=mint.pubkey(),
            mint_authority=authority.pubkey(),
            freeze_authority=None,
        )
    )
    _land(pipeline, [create, initialize], [authority, mint])
    return mint.pubkey()


def mint_to(
    pipeline: Pipeline, authority: Keypair, mint: Pubkey, *, owner: Pubkey, units: int
) -> Pubkey:
    """
    Give tokens to the owner's associated account and return its address.

    Raises:
        DevnetError: no such token, or not one of this authority.
    """
    decimals = decimals_of(pipeline.ledger.bank.newest(mint))
    if decimals is None:
        raise DevnetError(f"{mint} is no token")
    account = get_associated_token_address(owner, mint)
    create = create_idempotent_associated_token_account(authority.pubkey(), owner, mint)
    give = mint_to_checked(
        MintToCheckedParams(
            program_id=TOKEN_PROGRAM,
            mint=mint,
            dest=account,
            mint_authority=authority.pubkey(),
            amount=units,
            decimals=decimals,
        )
    )
    # The count differs each time, so that equal gifts are different transactions.
    count = pipeline.ledger.landed_count
    remark = Instruction(MEMO, f"mint {count}".encode(), [])
    _land(pipeline, [create, give, remark], [authority])
    return account


def _land(
    pipeline: Pipeline, instructions: Sequence[Instruction], signers: Sequence[Keypair]
) -> None:
    block_hash, _ = pipeline.ledger.newest_hash(Finality.LATEST)
    message = Message.new_with_blockhash(instructions, signers[0].pubkey(), Hash(block_hash))
    landed = pipeline.execute(VersionedTransaction(message, list(signers)))
    if landed is None or landed.err is not None:
        raise DevnetError(f"a token transaction failed: {landed and landed.err}")
