"""Commands over JSON-RPC to a node that runs as a process of its own."""

from typing import Any, Final

from chains.devnet.exchange import CODE_INVALID_PARAMS, RefusalError
from chains.devnet.memory_node.chain import MemoryChain
from chains.devnet.memory_node.logs import word_text
from chains.devnet.memory_node.moves import Holding, Tx, lock
from chains.devnet.rpc import DevnetError
from chains.types import BlockRef, word_of_text

COMMANDS: Final = frozenset({"memory_mine", "memory_blocks", "memory_reorg", "memory_finalize"})

LOCK_FIELDS: Final = ("name", "vault", "token", "account", "depositor", "units")


def command(chain: MemoryChain, method: str, params: list[Any]) -> dict[str, Any]:
    """
    Carry out a command and return the new head.

    memory_mine [locks]              one block with these locks
    memory_blocks [count]            empty blocks
    memory_reorg [depth, contents]   replace blocks; contents: the locks of each new one
    memory_finalize [height?]        declare a height final, by default the newest

    A lock is {"name", "vault", "token", "account", "depositor", "units"}: hex texts, units decimal.
    The same name in another block is the same transaction moved.

    Raises:
        RefusalError: wrong parameters, or the chain cannot do it.
    """
    try:
        return _head(_done(chain, method, params))
    except DevnetError as exc:
        raise RefusalError(CODE_INVALID_PARAMS, f"{method}: {exc}") from exc
    except (IndexError, TypeError, ValueError) as exc:
        raise RefusalError(CODE_INVALID_PARAMS, f"{method}: {exc}") from exc


def _done(chain: MemoryChain, method: str, params: list[Any]) -> BlockRef:
    match method:
        case "memory_mine":
            return chain.mine(*map(_lock_of, params[0]))
        case "memory_blocks":
            return chain.mine_many(int(params[0]))
        case "memory_reorg":
            contents = params[1] if len(params) > 1 else []
            return chain.reorg(int(params[0]), [list(map(_lock_of, block)) for block in contents])
        case "memory_finalize":
            chain.finalize_to(int(params[0]) if params else None)
            return chain.head.block
        case _:
            raise ValueError(f"there is no command {method}")


def _lock_of(fields: dict[str, str]) -> Tx:
    missing = [name for name in LOCK_FIELDS if name not in fields]
    if missing:
        raise ValueError(f"a lock lacks {', '.join(missing)}")
    words = {name: word_of_text(fields[name]) for name in ("vault", "token", "account")}
    depositor = word_of_text(fields["depositor"])
    move = lock(Holding(**words), depositor, int(fields["units"]))
    return Tx(fields["name"], (move,), sender=depositor)


def _head(block: BlockRef) -> dict[str, Any]:
    return {"height": block.height, "hash": word_text(block.block_hash)}
