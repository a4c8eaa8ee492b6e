"""The size limit of bodies, declared or not."""

from collections.abc import Iterator

from fastapi.testclient import TestClient

from relayer.api.body import BODY_BYTES_MAX

JSON = {"Content-Type": "application/json"}


def test_a_declared_body_above_the_limit_is_refused(client: TestClient) -> None:
    """413 before a byte of it is read."""
    answer = client.post("/v1/messages", content=b" " * (BODY_BYTES_MAX + 1), headers=JSON)

    assert (answer.status_code, answer.json()["type"]) == (
        413,
        "urn:relayer:problem:body_too_large",
    )
    assert str(BODY_BYTES_MAX) in answer.json()["detail"]


def test_a_streamed_body_above_the_limit_is_refused(client: TestClient) -> None:
    """413 without a declared length too."""

    def chunks() -> Iterator[bytes]:
        for _ in range(BODY_BYTES_MAX // 1_024 + 2):
            yield b" " * 1_024

    answer = client.post("/v1/messages", content=chunks(), headers=JSON)

    assert answer.status_code == 413, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_at_the_limit_is_read(client: TestClient) -> None:
    """It is judged by what it says."""
    answer = client.post("/v1/messages", content=b"{" + b" " * (BODY_BYTES_MAX - 1), headers=JSON)

    assert answer.json()["type"].endswith("json_invalid")
