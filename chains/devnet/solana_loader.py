"""Instructions of Solana's upgradeable loader: a program over the wire, then final."""

from typing import Final

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account
from solders.sysvar import CLOCK, RENT

from chains.solana.vault_addresses import SYSTEM_PROGRAM, UPGRADEABLE_LOADER, program_content

INITIALISE_BUFFER, WRITE, DEPLOY = 0, 1, 2
SET_AUTHORITY: Final = 4
BUFFER_HEAD_BYTES: Final = 37
PROGRAM_BYTES: Final = 36
CONTENT_HEAD_BYTES: Final = 45  # of the account that holds a deployed program's bytes
CHUNK_BYTES: Final = 900  # a transaction with one signature has room for it


def make_buffer(
    payer: Pubkey, buffer: Pubkey, *, length: int, lamports: int
) -> tuple[Instruction, ...]:
    """Return the making of an account into which a program is written."""
    space = BUFFER_HEAD_BYTES + length
    metas = [_writable(buffer), AccountMeta(payer, is_signer=True, is_writable=False)]
    return (
        _account(payer, buffer, space=space, lamports=lamports),
        _instruction(INITIALISE_BUFFER, b"", metas),
    )


def write_chunks(payer: Pubkey, buffer: Pubkey, elf: bytes) -> list[Instruction]:
    """Return the writing of a program into its buffer, a transaction each."""
    metas = [_writable(buffer), AccountMeta(payer, is_signer=True, is_writable=False)]
    found = []
    for at in range(0, len(elf), CHUNK_BYTES):
        chunk = elf[at : at + CHUNK_BYTES]
        content = at.to_bytes(4, "little") + len(chunk).to_bytes(8, "little") + chunk
        found.append(_instruction(WRITE, content, metas))
    return found


def deploy_buffer(
    payer: Pubkey, program: Pubkey, buffer: Pubkey, *, length: int, lamports: int
) -> tuple[Instruction, ...]:
    """Return the making of a program of exactly the bytes in a buffer; the payer may upgrade it."""
    metas = [
        AccountMeta(payer, is_signer=True, is_writable=True),
        _writable(program_content(program)),
        _writable(program),
        _writable(buffer),
        *(AccountMeta(key, is_signer=False, is_writable=False) for key in (RENT, CLOCK)),
        AccountMeta(SYSTEM_PROGRAM, is_signer=False, is_writable=False),
        AccountMeta(payer, is_signer=True, is_writable=False),
    ]
    return (
        _account(payer, program, space=PROGRAM_BYTES, lamports=lamports),
        _instruction(DEPLOY, length.to_bytes(8, "little"), metas),
    )


def make_final(authority: Pubkey, program: Pubkey) -> Instruction:
    """Return the end of the right to replace a program."""
    metas = [
        _writable(program_content(program)),
        AccountMeta(authority, is_signer=True, is_writable=False),
    ]
    return _instruction(SET_AUTHORITY, b"", metas)


def _account(payer: Pubkey, key: Pubkey, *, space: int, lamports: int) -> Instruction:
    return create_account(
        CreateAccountParams(
            from_pubkey=payer, to_pubkey=key, lamports=lamports, space=space,
            owner=UPGRADEABLE_LOADER,
        )
    )  # fmt: skip


def _instruction(number: int, content: bytes, metas: list[AccountMeta]) -> Instruction:
    return Instruction(UPGRADEABLE_LOADER, number.to_bytes(4, "little") + content, metas)


def _writable(key: Pubkey) -> AccountMeta:
    return AccountMeta(key, is_signer=False, is_writable=True)
