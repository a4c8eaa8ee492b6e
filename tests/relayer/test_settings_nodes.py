"""The nodes of a chain in a configuration: how many, which must agree, what they are called."""

import tomllib
import traceback
from pathlib import Path
from typing import Any

import pytest

from relayer.errors import SettingsError
from tests.relayer.test_settings import EXAMPLE, load, mistakes_of


@pytest.fixture
def example() -> dict[str, Any]:
    """Return the values of the example file."""
    return tomllib.loads(EXAMPLE.read_text())


def with_nodes(example: dict[str, Any], count: int, **changes: object) -> dict[str, Any]:
    """Return the example with this many nodes of its first chain."""
    first, *others = example["chains"]
    chain = {key: value for key, value in first.items() if not key.startswith("rpc_")}
    chain["rpc_urls"] = [f"http://127.0.0.1:{port}" for port in range(1, count + 1)]
    return example | {"chains": [chain | changes, *others]}


@pytest.mark.parametrize(
    ("count", "quorum"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (8, 6), (9, 6)]
)
def test_two_thirds_of_the_nodes_must_agree(
    count: int, quorum: int, example: dict[str, Any], tmp_path: Path
) -> None:
    """Rounded up, unless the file says otherwise."""
    settings = load(with_nodes(example, count) | {"profile": "development"}, tmp_path)

    assert settings.chains[0].quorum == quorum


@pytest.mark.parametrize(("count", "quorum"), [(1, 2), (2, 1), (3, 1), (3, 4), (4, 2), (9, 4)])
def test_two_quorums_of_nodes_always_share_one(
    count: int, quorum: int, example: dict[str, Any], tmp_path: Path
) -> None:
    """Otherwise two groups of nodes could tell two stories."""
    values = with_nodes(example, count, rpc_quorum=quorum) | {"profile": "development"}
    (mistake,) = mistakes_of(values, tmp_path)

    assert f"rpc_quorum: {quorum} of {count}" in mistake
    assert f"at least {count // 2 + 1}" in mistake


def test_one_node_does_not_count_twice(example: dict[str, Any], tmp_path: Path) -> None:
    """The mistake does not show the URL: it may hold a key."""
    example["chains"][0]["rpc_urls"] = ["http://127.0.0.1:1/s3cr3t"] * 3

    (mistake,) = mistakes_of(example, tmp_path)

    assert "chains.eip155:1.rpc_urls: a URL stands twice" in mistake
    assert "s3cr3t" not in mistake


@pytest.mark.parametrize("count", [1, 2])
def test_r5_production_refuses_fewer_than_three_nodes(
    count: int, example: dict[str, Any], tmp_path: Path
) -> None:
    """One that lies could not be outvoted; a development chain may have one."""
    (mistake,) = mistakes_of(with_nodes(example, count), tmp_path)

    assert f"chains.eip155:1.rpc_urls: {count}; production needs 3" in mistake
    assert 'set profile = "development"' in mistake
    load(with_nodes(example, count) | {"profile": "development"}, tmp_path)
    load(with_nodes(example, 3), tmp_path)


def test_nodes_have_the_labels_of_the_file(example: dict[str, Any], tmp_path: Path) -> None:
    """In the order of the URLs; without any they are numbered."""
    named = load(with_nodes(example, 3, rpc_labels=["own", "rented", "third"]), tmp_path)
    numbered = load(with_nodes(example, 3), tmp_path)

    assert named.chains[0].labels == ("own", "rented", "third")
    assert numbered.chains[0].labels == ("node-1", "node-2", "node-3")


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["own", "rented"], "rpc_labels: 2 for 3 nodes"),
        (["own", "own", "rented"], "rpc_labels: a label stands twice"),
        (["own", "rented", "https://node/s3cr3t"], "chains.0.rpc_labels.2"),
        (["own", "rented", ""], "chains.0.rpc_labels.2"),
    ],
)
def test_labels_are_one_for_each_node_and_no_urls(
    labels: list[str], found: str, example: dict[str, Any], tmp_path: Path
) -> None:
    """The mistake names the field, and shows nothing that may be a key."""
    (mistake,) = mistakes_of(with_nodes(example, 3, rpc_labels=labels), tmp_path)

    assert found in mistake
    assert "s3cr3t" not in mistake


def test_r5_own_node_is_named_by_its_label(example: dict[str, Any], tmp_path: Path) -> None:
    """Of the file, or its number where the file has no labels; without any no node is own."""
    labels = ["own", "rented", "third"]
    named = load(with_nodes(example, 3, rpc_labels=labels, rpc_own=["own"]), tmp_path)
    numbered = load(with_nodes(example, 3, rpc_own=["node-2", "node-3"]), tmp_path)

    assert named.chains[0].rpc_own == ("own",)
    assert numbered.chains[0].rpc_own == ("node-2", "node-3")
    assert load(with_nodes(example, 3), tmp_path).chains[0].rpc_own == ()


@pytest.mark.parametrize(
    ("own", "found"),
    [
        (["mine"], "rpc_own: no node is called mine; name nodes by their labels in rpc_labels: "),
        (["own", "own"], "rpc_own: a label stands twice; name each own node once"),
        (["https://node/s3cr3t"], "chains.0.rpc_own.0"),
    ],
)
def test_r5_own_node_that_does_not_exist_is_a_mistake(
    own: list[str], found: str, example: dict[str, Any], tmp_path: Path
) -> None:
    """It names the field and the labels there are, and shows nothing that may be a key."""
    labels = ["own", "rented", "third"]
    (mistake,) = mistakes_of(with_nodes(example, 3, rpc_labels=labels, rpc_own=own), tmp_path)

    assert found in mistake
    assert "s3cr3t" not in mistake
    if own == ["mine"]:
        assert mistake.endswith("rpc_labels: own, rented, third")


def test_r5_no_text_of_the_settings_shows_a_url(example: dict[str, Any], tmp_path: Path) -> None:
    """Neither what they show of themselves nor the traceback of a mistake in them."""
    urls = [f"http://user:s3cr3t-word@n{place}/s3cr3t-path?k=s3cr3t" for place in range(3)]
    settings = load(with_nodes(example, 3, rpc_urls=urls, websocket_url=urls[0]), tmp_path)

    assert "s3cr3t" not in f"{settings!r} {settings}"
    with pytest.raises(SettingsError) as caught:
        load(with_nodes(example, 3, rpc_urls=urls * 4, poll_milliseconds=urls[0]), tmp_path)
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))
