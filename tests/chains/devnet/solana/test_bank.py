"""Programs that are deployed over the wire, and taken back with their slots."""

from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account
from solders.sysvar import CLOCK, RENT

from chains.devnet.solana.bank import UPGRADEABLE_LOADER
from chains.devnet.solana.codec import SYSTEM_PROGRAM
from chains.devnet.solana.net import SolanaDevnet
from tests.chains.devnet.solana.scenes import ANN, RETURN_ZERO, SOL, elf_of, sent, signed

PROGRAM = Keypair.from_seed(bytes([5]) * 32)
RETURN_SEVEN = bytes.fromhex("b7000000070000009500000000000000")
BUFFER_HEAD_BYTES = 37
PROGRAM_BYTES = 36
SPACE = 1_000


def meta(key: Pubkey, *, signs: bool = False, writes: bool = False) -> AccountMeta:
    """Return how an instruction uses an account."""
    return AccountMeta(key, is_signer=signs, is_writable=writes)


def loader(number: int, content: bytes, *metas: AccountMeta) -> Instruction:
    """Return an instruction of the loader."""
    return Instruction(UPGRADEABLE_LOADER, number.to_bytes(4, "little") + content, list(metas))


def create(key: Keypair, space: int) -> Instruction:
    """Return the making of an account of the loader's."""
    return create_account(
        CreateAccountParams(
            from_pubkey=ANN.pubkey(), to_pubkey=key.pubkey(), lamports=SOL, space=space,
            owner=UPGRADEABLE_LOADER,
        )
    )  # fmt: skip


def buffer_of(net: SolanaDevnet, elf: bytes) -> Pubkey:
    """Write a program into a new buffer."""
    buffer = Keypair()
    owner = meta(ANN.pubkey(), signs=True)
    place = meta(buffer.pubkey(), writes=True)
    written = bytes(4) + len(elf).to_bytes(8, "little") + elf
    made = [create(buffer, BUFFER_HEAD_BYTES + len(elf)), loader(0, b"", place, owner)]
    sent(net, signed(net, [*made, loader(1, written, place, owner)], ANN, buffer))
    return buffer.pubkey()


def deploy(net: SolanaDevnet, elf: bytes, *, is_upgrade: bool = False) -> None:
    """Put a program there as tools do: a buffer, then the deployment or the upgrade."""
    buffer = meta(buffer_of(net, elf), writes=True)
    content, _ = Pubkey.find_program_address([bytes(PROGRAM.pubkey())], UPGRADEABLE_LOADER)
    payer = meta(ANN.pubkey(), signs=True, writes=True)
    program, programdata = meta(PROGRAM.pubkey(), writes=True), meta(content, writes=True)
    sysvars = (meta(RENT), meta(CLOCK))
    if is_upgrade:
        step = loader(3, b"", programdata, program, buffer, payer, *sysvars, payer)
        landed = net.pipeline.execute(signed(net, [step], ANN))
    else:
        accounts = (payer, programdata, program, buffer, *sysvars, meta(SYSTEM_PROGRAM), payer)
        step = loader(2, SPACE.to_bytes(8, "little"), *accounts)
        both = [create(PROGRAM, PROGRAM_BYTES), step]
        landed = net.pipeline.execute(signed(net, both, ANN, PROGRAM))
    assert landed is not None
    assert landed.err is None, landed.outcome.logs()


def called(net: SolanaDevnet) -> object:
    """Call the program and return the error of the transaction."""
    landed = net.pipeline.execute(signed(net, [Instruction(PROGRAM.pubkey(), b"", [])], ANN))
    return "dropped" if landed is None else landed.err


def test_a_deployed_program_is_gone_after_a_rollback_and_can_be_deployed_again(
    net: SolanaDevnet,
) -> None:
    """The runtime forgets its code with its accounts."""
    deploy(net, elf_of(RETURN_ZERO))
    net.advance()
    assert called(net) is None

    net.rollback(2)

    assert called(net) == "dropped"
    deploy(net, elf_of(RETURN_SEVEN))
    net.advance()
    assert called(net) == {"InstructionError": [0, {"Custom": 7}]}


def test_an_upgrade_that_is_rolled_back_leaves_the_older_program(net: SolanaDevnet) -> None:
    """Code goes back with the account that holds it."""
    deploy(net, elf_of(RETURN_ZERO))
    net.advance(2)
    deploy(net, elf_of(RETURN_SEVEN), is_upgrade=True)
    net.advance()
    assert called(net) == {"InstructionError": [0, {"Custom": 7}]}

    net.rollback(2)
    net.advance()

    assert called(net) is None
