"""Methods about the node, slots, epochs and blockhashes."""

from typing import Any, Final

from solders.hash import Hash
from solders.message import Message, MessageV0
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from chains.devnet.solana.codec import packet_of, pubkey_of
from chains.devnet.solana.methods.node import Method, Node
from chains.devnet.solana.options import (
    API_VERSION,
    BLOCKHASHES_VALID,
    FEATURE_SET,
    SLOTS_PER_EPOCH,
)
from chains.devnet.solana.params import Params, in_context, level_of
from chains.devnet.solana.prices import unit_price_of
from chains.devnet.solana.records import writable_keys
from chains.devnet.solana.refusals import invalid, node_behind

VERSION_0: Final = 0x80
ADDRESSES_MAX: Final = 128
TOTAL_STAKE: Final = 10**9
LOCKOUTS: Final = 32


class ClusterMethods:
    """Answers about the cluster itself."""

    def __init__(self, node: Node) -> None:
        self.node = node
        identity = str(node.options.identity.pubkey())
        self.methods: dict[str, Method] = {
            "getHealth": self._health,
            "getVersion": lambda _: {"solana-core": API_VERSION, "feature-set": FEATURE_SET},
            "getIdentity": lambda _: {"identity": identity},
            "getGenesisHash": lambda _: str(Hash(node.ledger.genesis_hash)),
            "getSlot": lambda params: node.slot_of(params.config(0)),
            "getBlockHeight": self._height,
            "getEpochInfo": self._epoch,
            "getEpochSchedule": lambda _: {
                "slotsPerEpoch": SLOTS_PER_EPOCH,
                "leaderScheduleSlotOffset": SLOTS_PER_EPOCH,
                "warmup": False,
                "firstNormalEpoch": 0,
                "firstNormalSlot": 0,
            },
            "getLatestBlockhash": self._latest_blockhash,
            "isBlockhashValid": self._is_blockhash_valid,
            "getFeeForMessage": self._fee,
            "getRecentPrioritizationFees": self._prioritization_fees,
            "getTransactionCount": self._transaction_count,
            "getBlockCommitment": self._block_commitment,
            "getLeaderSchedule": lambda params: self._leader_schedule(params, identity),
            "getSlotLeader": lambda _: identity,
            "getClusterNodes": lambda _: [self._contact(identity)],
        }

    def _health(self, _: Params) -> str:
        behind = self.node.faults.behind_slots
        if behind:
            raise node_behind(behind)
        return "ok"

    def _height(self, params: Params) -> int:
        config = params.config(0)
        self.node.slot_of(config)
        return self.node.ledger.block_at(level_of(config)).height

    def _epoch(self, params: Params) -> dict[str, Any]:
        config = params.config(0)
        slot = self.node.slot_of(config)
        epoch, place = divmod(slot, SLOTS_PER_EPOCH)
        return {
            "absoluteSlot": slot,
            "blockHeight": self.node.ledger.block_at(level_of(config)).height,
            "epoch": epoch,
            "slotIndex": place,
            "slotsInEpoch": SLOTS_PER_EPOCH,
            "transactionCount": self.node.ledger.landed_count,
        }

    def _latest_blockhash(self, params: Params) -> dict[str, Any]:
        config = params.config(0)
        slot, level = self.node.slot_of(config), level_of(config)
        block_hash, _ = self.node.ledger.newest_hash(level)
        value = {
            "blockhash": str(Hash(block_hash)),
            "lastValidBlockHeight": self.node.last_valid_height(level),
        }
        return in_context(slot, value)

    def _is_blockhash_valid(self, params: Params) -> dict[str, Any]:
        config = params.config(1)
        block_hash = Hash.from_bytes(bytes(pubkey_of(params.required(0))))
        slot = self.node.slot_of(config)
        return in_context(slot, self.node.ledger.is_hash_valid(block_hash, level_of(config)))

    def _fee(self, params: Params) -> dict[str, Any]:
        config = params.config(1)
        message = message_of(packet_of(params.required(0), "base64"))
        slot = self.node.slot_of(config)
        if not self.node.ledger.is_hash_valid(message.recent_blockhash, level_of(config)):
            return in_context(slot, None)
        signers = message.header.num_required_signatures
        tx = VersionedTransaction.populate(message, [Signature.default()] * signers)
        svm = self.node.ledger.bank.svm.with_sigverify(False)
        try:
            done = svm.simulate_transaction(tx)
        finally:
            svm.with_sigverify(True)
        return in_context(slot, done.meta().fee())

    def _prioritization_fees(self, params: Params) -> list[dict[str, int]]:
        given = params.get(0)
        keys = [] if given is None else params.listed(0, most=ADDRESSES_MAX)
        asked = {pubkey_of(key) for key in keys}
        fees = []
        for block in self.node.ledger.blocks[-BLOCKHASHES_VALID - 1 : -1]:
            prices = [
                unit_price_of(one.tx)
                for one in block.landed
                if asked <= set(writable_keys(one.tx, one.keys))
            ]
            fees.append({"slot": block.slot, "prioritizationFee": min(prices, default=0)})
        return fees

    def _transaction_count(self, params: Params) -> int:
        slot = self.node.slot_of(params.config(0))
        ledger = self.node.ledger
        newer = ledger.blocks_between(slot + 1, ledger.tip.slot)
        return ledger.landed_count - sum(len(block.landed) for block in newer)

    def _block_commitment(self, params: Params) -> dict[str, Any]:
        slot = params.integer(0)
        ledger = self.node.ledger
        depth = ledger.tip.slot - slot
        is_counted = 0 <= depth < LOCKOUTS and ledger.block_of(slot) is not None
        votes = [TOTAL_STAKE if place == depth else 0 for place in range(LOCKOUTS)]
        return {"commitment": votes if is_counted else None, "totalStake": TOTAL_STAKE}

    def _leader_schedule(self, params: Params, identity: str) -> dict[str, list[int]] | None:
        asked = params.get(0)
        slot = self.node.slot_of(params.config(1))
        epoch = (slot if asked is None else params.integer(0)) // SLOTS_PER_EPOCH
        if epoch > slot // SLOTS_PER_EPOCH + 1:
            return None
        return {identity: list(range(SLOTS_PER_EPOCH))}

    def _contact(self, identity: str) -> dict[str, Any]:
        names = ("gossip", "tpu", "rpc", "pubsub", "tpuQuic", "tvu")
        return {
            "pubkey": identity,
            **dict.fromkeys(names),
            "version": API_VERSION,
            "featureSet": FEATURE_SET,
            "shredVersion": 1,
        }


def message_of(raw: bytes) -> Message | MessageV0:
    """
    Return a message of either version.

    Raises:
        RefusalError: it is none.
    """
    try:
        if raw[:1] and raw[0] & VERSION_0:
            return MessageV0.from_bytes(raw[1:])
        return Message.from_bytes(raw)
    except ValueError as exc:
        raise invalid(f"failed to deserialize solana_message::VersionedMessage: {exc}") from None
