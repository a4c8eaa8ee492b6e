"""Errors of the relayer: one class per thing a caller does differently."""


class RelayerError(Exception):
    """Base of every error that the relayer raises on purpose."""


class InvariantError(RelayerError):
    """Only a bug can cause this; nothing retries it and the worker stops."""


class SettingsError(RelayerError):
    """The configuration is unusable; every mistake is listed, one a line."""

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class RefusedError(RelayerError):
    """
    A request is understood and refused; the reason is for its sender.

    code is stable and machine-readable, detail names the numbers.
    """

    def __init__(self, *, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class NotYetError(RelayerError):
    """The answer is not known yet; ask again later. reason is machine-readable."""

    def __init__(self, *, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class StalePriceError(NotYetError):
    """A price is missing, stale or invalid, so no decision is taken on it."""

    def __init__(self, *, asset_id: str, detail: str) -> None:
        super().__init__(reason="price_refused", detail=f"{asset_id}: {detail}")
        self.asset_id = asset_id


class LeaseLostError(RelayerError):
    """Another process holds the lease now; whatever was being done is dropped."""

    def __init__(self, *, name: str, holder: str) -> None:
        super().__init__(f"lease {name} is held by {holder}; this process stops using it")
        self.name = name
        self.holder = holder


class CursorMovedError(RelayerError):
    """Another process moved the cursor first; the batch is dropped, nothing is lost."""

    def __init__(self, *, chain_id: str) -> None:
        super().__init__(f"{chain_id}: the cursor moved meanwhile; the batch is read again")
        self.chain_id = chain_id


class StateMovedError(RelayerError):
    """A row was not in the expected state; another process was faster."""

    def __init__(self, *, what: str, expected: str) -> None:
        super().__init__(f"{what} is no longer {expected}")
        self.what = what
        self.expected = expected


class SchemaVersionError(RelayerError):
    """The database is not at the version of the code."""

    def __init__(self, *, found: str, expected: str) -> None:
        super().__init__(
            f"database is at migration {found}, the code needs {expected}; "
            "run: relayer db upgrade --yes"
        )
        self.found = found
        self.expected = expected
