"""Guardians: the real countersign behind a door that may be shut, slow, lying or losing answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from chains.errors import AttestationError, MessageFormatError
from chains.message import Message
from relayer.errors import NotYetError, RefusedError, SettingsError
from relayer.guardian.request import request_of_fields
from relayer.steps import countersign as countersigning
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import Signatory
from relayer.store.engine import DATABASE_ERRORS
from tests.relayer.api.kit import Signer
from tests.simulation.process import CrashError, Database, Process, Surroundings

PRICE_TOLERANCE_BPS: Final = 100


class SignerFailedError(RuntimeError):
    """The guardian's key does not answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a guardian says."""

    signature: bytes | None = None
    is_final: bool = False
    code: str = "signed"
    detail: str = ""


UNREACHABLE: Final = Answer(code="unreachable", detail="no answer")
LIE: Final = Answer(is_final=True, code="insufficient_collateral", detail="a lie")


@dataclass(slots=True)
class Slot:
    """A place in the fleet that always has a living process: a dead one is replaced."""

    name: str
    database: Database
    around: Surroundings
    _process: Process | None = None
    _generation: int = 0

    @property
    def process(self) -> Process:
        """The living process of this place."""
        if self._process is None or self._process.is_dead:
            self._generation += 1
            self._process = Process(f"{self.name}#{self._generation}", self.database, self.around)
        return self._process


@dataclass(slots=True)
class Guardian:
    """One guardian: a key, a process, a database, and what it has given out."""

    slot: Slot
    catalog: Catalog
    key: Signer
    check: Callable[["Guardian", Message], None]
    is_liar: bool = False
    signed: dict[bytes, Message] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The guardian's name."""
        return self.slot.name

    def sign(self, digest: bytes) -> bytes:
        """Sign a digest, if the key answers."""
        chance = self.slot.around.chance
        if chance.hits(chance.rates.signer):
            self.slot.around.note(f"! {self.name}'s key fails")
            raise SignerFailedError("simulated")
        return bytes.fromhex(self.key.sign(digest)[2:])

    def answer(self, fields: Mapping[str, Any]) -> Answer:
        """Answer a request as the guardian's process does over HTTP."""
        process = self.slot.process
        request = request_of_fields(orjson.loads(orjson.dumps(dict(fields))))
        signatory = Signatory(self.key.address, self.sign, PRICE_TOLERANCE_BPS)
        try:
            signature = countersigning.countersign(process.store, self.catalog, signatory, request)
        except (RefusedError, AttestationError, MessageFormatError, SettingsError) as exc:
            code = exc.code if isinstance(exc, RefusedError) else "refused"
            self.slot.around.note(f"  {self.name} refuses: {exc}")
            return Answer(is_final=True, code=code, detail=str(exc))
        except NotYetError as exc:
            return Answer(code=exc.reason, detail=exc.detail)
        except (SignerFailedError, *DATABASE_ERRORS):
            return Answer(code="answer_unusable", detail="status 500")
        except CrashError:
            return UNREACHABLE
        if request.message.message_id not in self.signed:
            self.signed[request.message.message_id] = request.message
            self.check(self, request.message)
        return Answer(signature)


@dataclass(frozen=True, slots=True)
class SimulatedDoor:
    """relayer.steps.ports.GuardianDoor as one process of the hub reaches one guardian."""

    asker: Process
    guardian: Guardian

    @property
    def label(self) -> str:
        """The guardian's name."""
        return self.guardian.name

    @property
    def address(self) -> bytes:
        """The guardian's key."""
        return self.guardian.key.address

    async def ask(self, request: Mapping[str, Any]) -> Answer:
        """Ask for a signature; what can go wrong on the way does, now and then."""
        self.asker.call_point(f"ask {self.label}")
        chance = self.asker.around.chance
        if chance.hits(chance.rates.door):
            trouble = chance.number(1, 4)
            if trouble == 1 and self.guardian.is_liar:
                return LIE
            if trouble <= 2:
                return UNREACHABLE
            answer = self.guardian.answer(request)
            if trouble == 3:
                return UNREACHABLE
            if answer.signature is not None:
                forged = bytes((answer.signature[0] ^ 1,)) + answer.signature[1:]
                return Answer(forged)
            return answer
        return self.guardian.answer(request)
