"""Methods about accounts and tokens, through the real client."""

from typing import Any

import pytest
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Commitment, Confirmed, Finalized, Processed
from solana.rpc.models import DataSliceOpts, MemcmpOpts, TokenAccountOpts
from solders.pubkey import Pubkey
from spl.token.instructions import transfer_checked
from spl.token.models import TransferCheckedParams

from chains.devnet.exchange import RefusalError
from chains.devnet.solana.mints import NATIVE_MINT
from chains.devnet.solana.net import SolanaDevnet
from chains.devnet.solana.records import TOKEN_PROGRAM
from tests.chains.devnet.solana.scenes import (
    ANN,
    BEN,
    SHOP,
    SHOP_RENT,
    payment,
    refusal,
    sent,
    signed,
    through,
)


def test_balances_are_those_of_their_level(net: SolanaDevnet) -> None:
    """And the context says for which slot they are true."""
    sent(net, payment(net))
    net.advance()

    async def ask(client: AsyncClient) -> list[tuple[int, int]]:
        answers = [
            await client.get_balance(SHOP, level) for level in (Processed, Confirmed, Finalized)
        ]
        return [(one.context.slot, one.value) for one in answers]

    paid = 2 * SHOP_RENT
    assert through(net, ask) == [(42, paid), (41, paid), (11, SHOP_RENT)]


def test_accounts_are_shown_alone_and_together(net: SolanaDevnet) -> None:
    """None for those that are not there; parts of their content on demand."""
    mint = net.create_mint(decimals=6)

    async def ask(client: AsyncClient) -> None:
        one = (await client.get_account_info(mint, Processed)).value
        assert one is not None
        assert (one.owner, len(one.data)) == (TOKEN_PROGRAM, 82)
        part = DataSliceOpts(offset=44, length=1)
        cut = (await client.get_account_info(mint, Processed, data_slice=part)).value
        assert cut is not None
        assert bytes(cut.data) == b"\x06"
        many = (await client.get_multiple_accounts([SHOP, Pubkey.new_unique()], Processed)).value
        assert [each and each.lamports for each in many] == [SHOP_RENT, None]
        assert (await client.get_account_info(mint, Finalized)).value is None

    through(net, ask)


def test_a_programs_accounts_pass_all_filters(net: SolanaDevnet) -> None:
    """dataSize and memcmp, at the level that was asked for."""
    mint, other = net.create_mint(decimals=6), net.create_mint(decimals=2)
    account = net.mint_to(mint, ANN.pubkey(), 5)
    net.mint_to(other, ANN.pubkey(), 5)

    async def ask(client: AsyncClient) -> list[set[Pubkey]]:
        async def found(level: Commitment, *filters: int | MemcmpOpts) -> set[Pubkey]:
            answer = await client.get_program_accounts(
                TOKEN_PROGRAM, commitment=level, encoding="base64", filters=filters
            )
            return {one.pubkey for one in answer.value}

        of_mint = MemcmpOpts(offset=0, bytes=str(mint))
        return [
            await found(Processed, 82),
            await found(Processed, 165, of_mint),
            await found(Processed, 164, of_mint),
            await found(Finalized, 82),
        ]

    assert through(net, ask) == [
        {mint, other, NATIVE_MINT},
        {account},
        set(),
        {NATIVE_MINT},  # of the genesis
    ]


def test_what_changed_hands_is_found_where_it_was_at_each_level(net: SolanaDevnet) -> None:
    """An account that was closed since is still there for the final level."""
    mint = net.create_mint(decimals=0)
    net.advance(40)
    closed = net.ledger.bank.newest(mint)
    assert closed is not None
    net.ledger.bank.write(mint, None, net.slot)

    def found(level: str) -> list[str]:
        config = {"commitment": level, "encoding": "base64"}
        return [one["pubkey"] for one in net.ask("getProgramAccounts", str(TOKEN_PROGRAM), config)]

    native = str(NATIVE_MINT)  # of the genesis
    assert found("processed") == [native]
    assert sorted(found("confirmed")) == sorted([native, str(mint)])


def test_token_balances_and_supply_are_exact(net: SolanaDevnet) -> None:
    """As units, and as people read them; a transfer moves them between owners."""
    mint = net.create_mint(decimals=6)
    source = net.mint_to(mint, ANN.pubkey(), 1_500_000)
    target = net.mint_to(mint, BEN.pubkey(), 1)
    move = transfer_checked(
        TransferCheckedParams(
            program_id=TOKEN_PROGRAM, source=source, mint=mint, dest=target, owner=ANN.pubkey(),
            amount=250_000, decimals=6,
        )
    )  # fmt: skip
    signature = sent(net, signed(net, [move], ANN))

    async def ask(client: AsyncClient) -> list[tuple[str, str]]:
        answers: list[Any] = [
            await client.get_token_account_balance(source, Processed),
            await client.get_token_account_balance(target, Processed),
            await client.get_token_supply(mint, Processed),
        ]
        return [(one.value.amount, one.value.ui_amount_string) for one in answers]

    assert through(net, ask) == [
        ("1250000", "1.25"), ("250001", "0.250001"), ("1500001", "1.500001"),
    ]  # fmt: skip
    landed = net.ledger.landed[signature]
    assert {one.owner: one.units for one in landed.before.tokens} == {
        ANN.pubkey(): 1_500_000, BEN.pubkey(): 1,
    }  # fmt: skip
    assert {one.owner: one.units for one in landed.after.tokens} == {
        ANN.pubkey(): 1_250_000, BEN.pubkey(): 250_001,
    }  # fmt: skip


def test_an_owners_token_accounts_are_found_by_mint_and_by_program(net: SolanaDevnet) -> None:
    """Only his, only of that token."""
    mint, other = net.create_mint(decimals=6), net.create_mint(decimals=2)
    first, second = net.mint_to(mint, ANN.pubkey(), 5), net.mint_to(other, ANN.pubkey(), 5)
    net.mint_to(mint, BEN.pubkey(), 5)

    async def ask(client: AsyncClient) -> list[set[Pubkey]]:
        answers = [
            await client.get_token_accounts_by_owner(ANN.pubkey(), opts, Processed)
            for opts in (TokenAccountOpts(mint=mint), TokenAccountOpts(program_id=TOKEN_PROGRAM))
        ]
        return [{one.pubkey for one in answer.value} for answer in answers]

    assert through(net, ask) == [{first}, {first, second}]


def test_rent_is_what_the_runtime_asks_for(net: SolanaDevnet) -> None:
    """The well-known number for a token account."""

    async def ask(client: AsyncClient) -> int:
        return (await client.get_minimum_balance_for_rent_exemption(165)).value

    assert through(net, ask) == 2_039_280


@pytest.mark.parametrize(
    ("method", "params", "reason"),
    [
        ("getTokenAccountBalance", [str(SHOP)], "not a Token account"),
        ("getTokenAccountBalance", [str(BEN.pubkey())[:-1] + "1"], "could not find account"),
        ("getTokenSupply", [str(SHOP)], "not a Token mint"),
        ("getTokenAccountsByOwner", [str(SHOP), {}], "mint or programId"),
        ("getTokenAccountsByOwner", [str(SHOP), {"programId": str(SHOP)}], "unrecognized Token"),
        ("getMultipleAccounts", [[str(SHOP)] * 101], "max 100"),
        ("getProgramAccounts", [str(SHOP), {"filters": [{"dataSize": 1}] * 5}], "max 4"),
        ("getProgramAccounts", [str(SHOP), {"filters": [{"memcmp": {"offset": 0}}]}], "memcmp"),
        ("getProgramAccounts", [str(SHOP), {"filters": ["all"]}], "dataSize or memcmp"),
        ("getProgramAccounts", [str(SHOP), {"filters": {}}], "a list"),
        ("getMinimumBalanceForRentExemption", [2**63], "at most"),
        ("getBalance", [str(SHOP), {"commitment": "sure"}], "unknown commitment"),
        ("getBalance", [str(SHOP), "processed"], "expected an object"),
        ("getAccountInfo", [str(SHOP), {"dataSlice": 5}], "dataSlice"),
        ("getAccountInfo", [str(SHOP), {"dataSlice": {"offset": -1, "length": 1}}], "dataSlice"),
        ("getAccountInfo", [str(SHOP), {"encoding": "jsonParsed"}], "jsonParsed is not served"),
    ],
)
def test_wrong_parameters_are_refused(
    net: SolanaDevnet, method: str, params: list[object], reason: str
) -> None:
    """With -32602 and the reason."""
    with pytest.raises(RefusalError, match=reason) as caught:
        net.ask(method, *params)

    assert caught.value.code == -32602


def test_a_level_that_has_not_reached_the_asked_slot_refuses(net: SolanaDevnet) -> None:
    """Each level for itself."""
    config = {"minContextSlot": net.slot}

    assert net.ask("getBalance", str(SHOP), config | {"commitment": "processed"})
    with pytest.raises(RefusalError) as caught:
        net.ask("getBalance", str(SHOP), config | {"commitment": "confirmed"})
    assert caught.value.code == -32016


def test_an_account_in_an_encoding_that_is_not_served_is_an_error_of_the_client(
    net: SolanaDevnet,
) -> None:
    """The real client raises what it raises on a cluster's -32602."""
    error = through(
        net, lambda client: refusal(client.get_account_info_json_parsed(SHOP, Processed))
    )

    assert "not served by this devnet" in error.message
