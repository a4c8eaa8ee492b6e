"""What a deployment serves."""

from fastapi.testclient import TestClient

from chains.command import command_domain
from chains.types import chain_key
from tests.relayer.api.kit import CHAIN_A, HUB, LINE_C, OPERATOR, VAULT_A, WETH_A, short


def test_a_deployment_names_everything_that_messages_need(client: TestClient) -> None:
    """Chains, vaults, tokens with their scale, credit lines with their operator."""
    body = client.get("/v1/deployment").json()

    assert body["hub"] == HUB
    assert {"chain_id": CHAIN_A, "vault": short(VAULT_A)} in body["vaults"]
    assert body["tokens"][0] == {
        "chain_id": CHAIN_A,
        "token": short(WETH_A),
        "asset_id": "WETH",
        "scale": 18,
    }
    line = body["credit_lines"][0]
    assert (line["credit_line"], line["operator"]) == (short(LINE_C), short(OPERATOR.address))
    assert body["guardian_set"]["threshold"] == 2


def test_the_salt_is_that_of_the_commands_domain(client: TestClient) -> None:
    """A wallet that signs with it signs for this hub."""
    salt = client.get("/v1/deployment").json()["domain_salt"]

    assert salt == "0x" + chain_key(HUB).hex()
    assert command_domain(HUB) != command_domain("hub:other")  # type: ignore[arg-type]
