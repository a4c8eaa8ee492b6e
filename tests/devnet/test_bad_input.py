"""What strangers and mistakes send to a running deployment: one clear answer, nothing moves."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from chains.command import Command, RequestUnlock, SignedCommand, command_fields
from chains.devnet.actors import ALICE, BOB, DevKey
from chains.devnet.kit import WETH, DeployedChain
from chains.devnet.reorg import reorg
from chains.devnet.solana_actors import SOLANA_ALICE, SOLANA_BOB
from chains.devnet.solana_kit import SOL, SolanaVaultOptions, deploy_solana
from chains.errors import CallRevertedError
from chains.finality import Finality
from chains.message import Message
from chains.types import ChainId, chain_key
from relayer.cli.demo.doors import TYPES, DoorError
from relayer.cli.demo.run import Script
from relayer.cli.demo.story import Story
from relayer.cli.demo.world import OWNER
from relayer.guardian.request import AttestationRequest, request_fields
from relayer.steps.compose import terms_of
from tests.devnet.story import play_quietly

pytestmark = [
    pytest.mark.slow,
    pytest.mark.story,
    pytest.mark.timeout(240),
    pytest.mark.usefixtures("anvil_binary"),
]
RACERS = 20
DONATED_UNITS = 777
DONATED_LAMPORTS = 888
DUST_UNITS = 5
UNSEEN_NONCE = 1_000
MESSAGE_SECONDS = 600


def post(story: Story, command: Command, signer: DevKey, **changes: Any) -> httpx.Response:
    """Post a signed command whose data is changed after signing."""
    signature = signer.sign(command.digest(story.world.devnet.options.hub))
    body = {
        "specversion": "1.0",
        "id": "1",
        "source": "test",
        "type": TYPES[type(command)],
        "data": {**command_fields(command), "signatures": ["0x" + signature.hex()], **changes},
    }
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    url = f"{story.world.api_url}/v1/messages"
    return httpx.post(url, json=body, headers=headers, timeout=30.0)


def unlock(story: Story, units: int) -> RequestUnlock:
    """Return the owner's request for WETH on chain A, a new one each time."""
    chain = story.world.devnet.chain_a
    return RequestUnlock(
        account=OWNER.account,
        chain_id=chain.chain_id,
        vault=vault_of(chain),
        token=chain.tokens["WETH"],
        amount=units,
        recipient=ALICE.address,
        deadline=int(time.time()) + MESSAGE_SECONDS,
        nonce=uuid.uuid4().bytes + bytes(16),
    )


def vault_of(chain: DeployedChain) -> bytes:
    """Return the vault of a chain that has one."""
    assert chain.vault is not None
    return chain.vault


def code_of(answer: httpx.Response) -> str:
    """Return the code of a problem."""
    return str(answer.json()["type"]).rsplit(":", 1)[1]


def check_commands(story: Story) -> None:
    """Send an unlock altered, by a stranger, for another hub and to the vault itself."""
    asked = unlock(story, WETH)
    chain = story.world.devnet.chain_a
    elsewhere = ALICE.sign(asked.digest(ChainId("hub:elsewhere")))

    assert code_of(post(story, asked, ALICE, amount=str(2 * WETH))) == "signer_not_owner"
    assert code_of(post(story, asked, BOB)) == "signer_not_owner"
    altered = post(story, asked, ALICE, signatures=["0x" + elsewhere.hex()])
    assert code_of(altered) == "signer_not_owner"
    assert code_of(post(story, replace(asked, recipient=vault_of(chain)), ALICE)) == (
        "address_invalid"
    )


def check_look_alikes(story: Story) -> None:
    """Lock in a clone of the vault, lock a strange token, give tokens, lock for nobody."""
    chain = story.world.devnet.chain_a
    token, vault = chain.tokens["WETH"], vault_of(chain)
    devnet = story.world.devnet
    guarded = (chain_key(devnet.options.hub), list(devnet.guardian_set.members), 2, 3_600)
    clone = chain.chain.deploy("CollateralVault", *guarded, 86_400, [token], [100 * WETH], 86_400)
    chain.chain.approve(ALICE, token, clone)
    chain.chain.lock(ALICE, clone, OWNER.account, token, 5 * WETH)
    strange = chain.chain.deploy("TestToken", "Strange", "WETH", 18)
    with pytest.raises(CallRevertedError, match="TokenNotListed"):
        chain.chain.lock(ALICE, vault, OWNER.account, strange, WETH)
    chain.chain.send(ALICE, token, "transfer(address,uint256)", vault, DONATED_UNITS)
    chain.chain.lock(ALICE, vault, b"\xee" * 32, token, DUST_UNITS)


def check_solana_look_alikes(story: Story) -> None:
    """Lock in another vault of the same program, give tokens, lock for nobody, ask for a friend."""
    chain_s = story.world.chain_s
    token = chain_s.tokens["SOL"]
    other = deploy_solana(chain_s.chain, SolanaVaultOptions(initializer=SOLANA_BOB))
    assert (other.program, other.options.guardian_set) == (
        chain_s.program,
        chain_s.options.guardian_set,
    )
    other.lock(SOLANA_ALICE, OWNER.account, token, 5 * SOL)
    chain_s.chain.give(SOLANA_ALICE, token, chain_s.custody_of(token), DONATED_LAMPORTS)
    chain_s.lock(SOLANA_ALICE, b"\xee" * 32, token, DUST_UNITS)
    asked = story.requests.unlock(chain_s, "SOL", SOL)
    with pytest.raises(DoorError, match="signer_not_owner"):
        story.door.send(asked, [SOLANA_BOB])
    with pytest.raises(DoorError, match="address_invalid"):
        story.door.send(replace(asked, recipient=ALICE.address), [SOLANA_ALICE])


def check_reorg(story: Story) -> None:
    """Drop the block of a lock that was only seen: what was soft is gone again."""
    chain = story.world.devnet.chain_a
    before = weth_of(story)
    chain.chain.anvil.rpc.call("evm_setIntervalMining", 4)
    chain.chain.lock(ALICE, vault_of(chain), OWNER.account, chain.tokens["WETH"], 3 * WETH)
    path = f"/v1/accounts/0x{OWNER.account.hex()}"
    story.door.wait_for(
        path, lambda answer: _balance(answer, "WETH")["soft"] != "0", "the soft lock"
    )
    reorg(chain.chain, 1)
    chain.chain.anvil.rpc.call("evm_setIntervalMining", 1)
    story.door.wait_for(
        path, lambda answer: _balance(answer, "WETH")["soft"] == "0", "the lock to go"
    )
    assert weth_of(story) == before


def check_solana_reorg(story: Story) -> None:
    """Drop the confirmed slots of a lock that was only seen: what was soft is gone again."""
    chain_s, net = story.world.chain_s, story.world.solana.net
    landed = chain_s.lock(SOLANA_ALICE, OWNER.account, chain_s.tokens["SOL"], 3 * SOL)
    chain_s.chain.wait_until(Finality.SAFE, landed.height)
    net.hold_confirmation()  # it stays confirmed, and cannot become final
    path = f"/v1/accounts/0x{OWNER.account.hex()}"
    story.door.wait_for(path, lambda answer: _balance(answer, "SOL")["soft"] != "0", "a soft lock")
    with net.ledger.lock:
        net.rollback(net.slot - landed.height + 1)
    net.resume_confirmation()
    story.door.wait_for(path, lambda answer: _balance(answer, "SOL")["soft"] == "0", "it to go")


def check_race(story: Story) -> None:
    """Ask for two thirds of the collateral from many threads at once: one may have it."""
    units = int(weth_of(story)["available"]) * 2 // 3
    start = threading.Barrier(RACERS)

    def _ask(_place: int) -> dict[str, Any]:
        command = unlock(story, units)
        start.wait()
        return dict(post(story, command, ALICE).json())

    with ThreadPoolExecutor(RACERS) as threads:
        accepted = list(threads.map(_ask, range(RACERS)))
    decided = [story.door.decision(answer) for answer in accepted]
    granted = [answer for answer in decided if answer["state"] == "GRANTED"]
    assert len(granted) == 1
    story.door.message_in(granted[0]["message_id"], "CONFIRMED")


def balances_of(story: Story) -> list[dict[str, Any]]:
    """Return all that the owner has."""
    return list(story.door.get(f"/v1/accounts/0x{OWNER.account.hex()}")["balances"])


def weth_of(story: Story) -> dict[str, Any]:
    """Return the owner's balance of WETH."""
    return _balance(story.door.get(f"/v1/accounts/0x{OWNER.account.hex()}"), "WETH")


def _balance(answer: dict[str, Any], asset_id: str) -> dict[str, Any]:
    return next(each for each in answer["balances"] if each["asset_id"] == asset_id)


def test_bad_input_moves_nothing(tmp_path: Path) -> None:
    """Commands, look-alike events, a reorganisation and a race; ledger and chains stay equal."""

    def _attack(story: Story) -> None:
        story.open_and_link()
        story.lock()
        before = balances_of(story)
        check_commands(story)
        check_look_alikes(story)
        check_solana_look_alikes(story)
        check_guardian_door(story)
        assert balances_of(story) == before
        check_reorg(story)
        check_solana_reorg(story)
        assert balances_of(story) == before
        check_race(story)

    statement, _ = play_quietly(tmp_path, Script(tell=_attack), is_fleet=False)

    assert statement.value["ledger"]["ok"]
    custody = statement.value["custody"]
    assert [account["is_equal"] for account in custody] == [True] * 4
    surplus = {account["asset_id"]: account["surplus_units"] for account in custody}
    assert surplus == {"WETH": str(DONATED_UNITS), "USDC": "0", "SOL": str(DONATED_LAMPORTS)}


def check_guardian_door(story: Story) -> None:
    """Show a guardian an owner's signature without its token: it signs nothing."""
    url = f"http://127.0.0.1:{story.world.guardian_ports[0]}/v1/attestations"
    answer = httpx.post(url, json=attestation_of(story, unlock(story, WETH), UNSEEN_NONCE))
    assert answer.status_code == httpx.codes.UNAUTHORIZED


def attestation_of(story: Story, command: RequestUnlock, nonce: int) -> dict[str, Any]:
    """Return what a hub would ask a guardian for a command, with a nonce of one's own."""
    hub = story.world.devnet.options.hub
    digest = command.digest(hub)
    signed = SignedCommand(command, (ALICE.sign(digest),))
    terms = terms_of(signed, expiry_seconds=int(time.time()) + MESSAGE_SECONDS)
    message = Message(
        kind=terms.kind,
        origin=chain_key(hub),
        target=chain_key(terms.target_chain),
        vault=terms.contract,
        nonce=nonce,
        account=terms.account,
        token=terms.token,
        amount_units=terms.amount_units,
        recipient=terms.recipient,
        expiry_seconds=terms.expiry_seconds,
        epoch=1,
        evidence=digest,
    )
    return request_fields(AttestationRequest(message, terms.target_chain, signed, (), {}))
