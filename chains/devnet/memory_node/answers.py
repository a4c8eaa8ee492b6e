"""Blocks, transactions, receipts and logs as a node writes them."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from chains.devnet.memory_node.chain import MinedBlock, MinedTx
from chains.devnet.memory_node.logs import (
    Log,
    address_text,
    bloom_of,
    bloom_text,
    log_fields,
    word_text,
)

GAS_LIMIT: Final = 30_000_000
GAS_PER_TX: Final = 21_000
BASE_FEE_WEI: Final = 10**9
NO_ADDRESS: Final = "0x" + "00" * 20
NO_WORD: Final = "0x" + "00" * 32
NO_NONCE: Final = "0x" + "00" * 8
STATUS_SUCCESS: Final = "0x1"
TYPE_FEE_MARKET: Final = "0x2"


def block_fields(block: MinedBlock, *, has_full_txs: bool) -> dict[str, Any]:
    """Return a block with the hashes of its transactions, or with the transactions."""
    if has_full_txs:
        txs: list[Any] = [tx_fields(block, place) for place in range(len(block.txs))]
    else:
        txs = [word_text(mined.tx_hash) for mined in block.txs]
    return {
        "number": hex(block.block.height),
        "hash": word_text(block.block.block_hash),
        "parentHash": word_text(block.parent_hash),
        "timestamp": hex(block.timestamp_seconds),
        "logsBloom": bloom_text(block.bloom),
        "transactions": txs,
        "nonce": NO_NONCE,
        "sha3Uncles": NO_WORD,
        "transactionsRoot": NO_WORD,
        "stateRoot": NO_WORD,
        "receiptsRoot": NO_WORD,
        "mixHash": NO_WORD,
        "miner": NO_ADDRESS,
        "difficulty": "0x0",
        "extraData": "0x",
        "size": "0x220",
        "gasLimit": hex(GAS_LIMIT),
        "gasUsed": hex(GAS_PER_TX * len(block.txs)),
        "baseFeePerGas": hex(BASE_FEE_WEI),
        "uncles": [],
    }


def tx_place(block: MinedBlock, place: int) -> dict[str, Any]:
    """Return where a transaction stands."""
    return {
        "transactionHash": word_text(block.txs[place].tx_hash),
        "transactionIndex": hex(place),
        "blockHash": word_text(block.block.block_hash),
        "blockNumber": hex(block.block.height),
    }


def tx_fields(block: MinedBlock, place: int) -> dict[str, Any]:
    """Return a transaction; what it called is not told."""
    mined = block.txs[place]
    return {
        "hash": word_text(mined.tx_hash),
        "transactionIndex": hex(place),
        "blockHash": word_text(block.block.block_hash),
        "blockNumber": hex(block.block.height),
        "from": address_text(mined.tx.sender),
        "to": _called(mined),
        "value": "0x0",
        "input": "0x",
        "nonce": hex(place),
        "gas": hex(GAS_PER_TX),
        "gasPrice": hex(BASE_FEE_WEI),
        "type": TYPE_FEE_MARKET,
    }


def receipt_fields(block: MinedBlock, place: int) -> dict[str, Any]:
    """Return a transaction's receipt."""
    mined = block.txs[place]
    return {
        **tx_place(block, place),
        "from": address_text(mined.tx.sender),
        "to": _called(mined),
        "status": STATUS_SUCCESS,
        "type": TYPE_FEE_MARKET,
        "contractAddress": None,
        "gasUsed": hex(GAS_PER_TX),
        "cumulativeGasUsed": hex(GAS_PER_TX * (place + 1)),
        "effectiveGasPrice": hex(BASE_FEE_WEI),
        "logsBloom": bloom_text(bloom_of(mined.logs)),
        "logs": list(tx_log_fields(block, place)),
    }


def tx_log_fields(block: MinedBlock, place: int) -> Iterator[dict[str, Any]]:
    """Yield the logs of a transaction."""
    stands = tx_place(block, place) | {"blockTimestamp": hex(block.timestamp_seconds)}
    mined = block.txs[place]
    for index, log in enumerate(mined.logs, start=mined.first_log_index):
        yield log_fields(log, stands, index)


def log_texts(block: MinedBlock, is_asked: Callable[[Log], bool]) -> Iterator[str]:
    """Yield the JSON text of each log that is asked for; by hand, because ranges are long."""
    ends = (
        f'"blockHash":"{word_text(block.block.block_hash)}",'
        f'"blockNumber":"{hex(block.block.height)}",'
        f'"blockTimestamp":"{hex(block.timestamp_seconds)}","removed":false}}'
    )
    for place, mined in enumerate(block.txs):
        for index, log in enumerate(mined.logs, start=mined.first_log_index):
            if not is_asked(log):
                continue
            topics = '","'.join(log.topics)
            listed = f'"{topics}"' if topics else ""
            yield (
                f'{{"address":"{log.address}","topics":[{listed}],"data":"{log.data}",'
                f'"logIndex":"{hex(index)}","transactionHash":"{word_text(mined.tx_hash)}",'
                f'"transactionIndex":"{hex(place)}",{ends}'
            )


def _called(mined: MinedTx) -> str:
    """Return the contract that a transaction seems to call: the one that spoke last."""
    return mined.logs[-1].address if mined.logs else NO_ADDRESS
