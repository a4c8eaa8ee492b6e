"""Files that hold a secret: private, and never shown."""

import stat
from pathlib import Path
from typing import Final

from chains.errors import PermanentChainError

OTHERS_MAY_READ: Final = stat.S_IRWXG | stat.S_IRWXO


class KeyFileError(PermanentChainError):
    """A key file is missing, open to others, or not a key; its content is never shown."""

    def __init__(self, *, path: Path, reason: str) -> None:
        super().__init__(f"key file {path}: {reason}")
        self.path = path
        self.reason = reason


def read_private_text(path: Path) -> str:
    """
    Return the text of a file that only its owner may read.

    Raises:
        KeyFileError: unreadable, or open to others.
    """
    try:
        if path.stat().st_mode & OTHERS_MAY_READ:
            raise KeyFileError(path=path, reason="others may read it; run chmod 600 on it")
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise KeyFileError(path=path, reason=f"cannot be read ({type(exc).__name__})") from None
