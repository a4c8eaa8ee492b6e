"""The size limit of request bodies, before anything is read into memory."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relayer.api.problems import ProblemError, problem_response

LENGTH_HEADER: Final = b"content-length"


class BodyLimit:
    """Middleware that answers 413 once a body is longer than allowed, declared or not."""

    def __init__(self, app: ASGIApp, bytes_max: int) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting the bytes of its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._is_declared_too_large(scope):
            await problem_response(self._problem())(scope, receive, send)
            return
        received_bytes = 0

        async def receive_counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._bytes_max:
                raise self._problem()
            return message

        await self._app(scope, receive_counted, send)

    def _is_declared_too_large(self, scope: Scope) -> bool:
        declared = dict(scope["headers"]).get(LENGTH_HEADER, b"")
        return declared.isdigit() and int(declared[:20]) > self._bytes_max

    def _problem(self) -> ProblemError:
        return ProblemError(
            "body_too_large", f"body: at most {self._bytes_max} bytes are read; send less"
        )
