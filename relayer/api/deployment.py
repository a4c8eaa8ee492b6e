"""What a deployment serves: the names and addresses that messages are made of."""

from fastapi import APIRouter

from chains.types import address_text, chain_key, text_of_word
from relayer.api.body import StrictRoute
from relayer.api.doors import WithDoors
from relayer.api.problems import PROBLEM_RESPONSES
from relayer.api.values import Answer, hex_of
from relayer.steps.catalog import Catalog

router = APIRouter(
    prefix="/v1", tags=["queries"], route_class=StrictRoute, responses=PROBLEM_RESPONSES
)


class VaultAnswer(Answer):
    """The vault of one chain."""

    chain_id: str
    vault: str


class TokenAnswer(Answer):
    """A token and the asset that it stands for; scale is the digits behind its point."""

    chain_id: str
    token: str
    asset_id: str
    scale: int


class CreditLineAnswer(Answer):
    """A lending protocol's contract; operator signs credit requests beside the owner."""

    protocol: str
    chain_id: str
    credit_line: str
    token: str
    asset_id: str
    operator: str


class GuardianSetAnswer(Answer):
    """Who attests messages; threshold of members must sign."""

    index: int
    threshold: int
    members: tuple[str, ...]


class DeploymentAnswer(Answer):
    """
    One deployment.

    Commands are signed for hub; domain_salt is the salt of their EIP-712 domain. epoch counts
    the risk parameters.
    """

    hub: str
    domain_salt: str
    epoch: int
    chain_ids: tuple[str, ...]
    vaults: tuple[VaultAnswer, ...]
    tokens: tuple[TokenAnswer, ...]
    credit_lines: tuple[CreditLineAnswer, ...]
    guardian_set: GuardianSetAnswer


@router.get("/deployment")
def get_deployment(doors: WithDoors) -> DeploymentAnswer:
    """Return chains, vaults, tokens, credit lines and guardians."""
    return deployment_answer(doors.catalog)


def deployment_answer(catalog: Catalog) -> DeploymentAnswer:
    """Return a catalog as an answer."""
    return DeploymentAnswer(
        hub=catalog.hub,
        domain_salt=hex_of(chain_key(catalog.hub)),
        epoch=catalog.parameters.epoch,
        chain_ids=catalog.chain_ids,
        vaults=tuple(
            VaultAnswer(chain_id=chain_id, vault=address_text(chain_id, vault))
            for chain_id, vault in catalog.vaults.items()
        ),
        tokens=tuple(
            TokenAnswer(
                chain_id=token.chain_id,
                token=address_text(token.chain_id, token.address),
                asset_id=asset.asset_id,
                scale=asset.scale,
            )
            for token, asset in catalog.assets.tokens.items()
        ),
        credit_lines=tuple(
            CreditLineAnswer(
                protocol=line.protocol,
                chain_id=line.chain_id,
                credit_line=text_of_word(line.contract),
                token=text_of_word(line.token),
                asset_id=line.asset_id,
                operator=text_of_word(line.operator),
            )
            for line in catalog.credit_lines
        ),
        guardian_set=GuardianSetAnswer(
            index=catalog.guardian_set.index,
            threshold=catalog.guardian_set.threshold,
            members=tuple(text_of_word(member) for member in catalog.guardian_set.members),
        ),
    )
