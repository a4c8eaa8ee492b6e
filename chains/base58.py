"""Base 58 as Solana writes addresses, hashes and signatures."""

from typing import Final

ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BASE: Final = len(ALPHABET)
DIGITS: Final = {letter: place for place, letter in enumerate(ALPHABET)}
GROUP_LETTERS: Final = 10  # 58^10 is a machine word; long numbers are multiplied once for each
TEXT_LENGTH_MAX: Final = 14_000  # of 10 kB; the work grows with its square


def base58_of(raw: bytes) -> str:
    """Return bytes in base 58."""
    number = int.from_bytes(raw, "big")
    letters = []
    while number:
        number, digit = divmod(number, BASE)
        letters.append(ALPHABET[digit])
    zeros = len(raw) - len(raw.lstrip(b"\0"))
    return ALPHABET[0] * zeros + "".join(reversed(letters))


def bytes_of_base58(text: str, *, length_max: int = TEXT_LENGTH_MAX) -> bytes:
    """
    Return the bytes of a text in base 58.

    Raises:
        ValueError: too long, or a letter that base 58 does not have.
    """
    if len(text) > length_max:
        raise ValueError(f"{len(text)} letters of base 58, at most {length_max} are read")
    number = 0
    for at in range(0, len(text), GROUP_LETTERS):
        group, value = text[at : at + GROUP_LETTERS], 0
        for letter in group:
            if letter not in DIGITS:
                raise ValueError(f"{letter!r} is no letter of base 58")
            value = value * BASE + DIGITS[letter]
        number = number * BASE ** len(group) + value
    zeros = len(text) - len(text.lstrip(ALPHABET[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
