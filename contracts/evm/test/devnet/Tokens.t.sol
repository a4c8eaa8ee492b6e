// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {FeeOnTransferToken} from "../../src/devnet/FeeOnTransferToken.sol";
import {NoReturnToken} from "../../src/devnet/NoReturnToken.sol";
import {TestToken} from "../../src/devnet/TestToken.sol";
import {vm} from "../support/Cheats.sol";

contract TokensTest {
    /// @notice A test token has the decimals it was given and can be minted.
    function testFuzz_ATestTokenIsMintable(
        uint8 decimals,
        uint256 amount
    ) external {
        TestToken token = new TestToken("Test", "TST", decimals);
        token.mint(address(0xA11), amount);

        vm.assertEq(token.decimals(), decimals);
        vm.assertEq(token.balanceOf(address(0xA11)), amount);
    }

    /// @notice The fee is rounded up, burned, and not taken from a mint.
    function testFuzz_AFeeIsBurned(
        uint128 amount,
        uint16 feeBps
    ) external {
        feeBps %= 10_001;
        FeeOnTransferToken token = new FeeOnTransferToken("Fee", "FEE", 18, feeBps);
        token.mint(address(this), amount);

        token.transfer(address(0xA11), amount);

        uint256 fee = (uint256(amount) * feeBps + 9_999) / 10_000;
        vm.assertEq(token.balanceOf(address(0xA11)), amount - fee);
        vm.assertEq(token.totalSupply(), amount - fee);
    }

    /// @notice A fee of more than everything is refused.
    function test_AFeeAboveEverythingIsRefused() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                FeeOnTransferToken.FeeOnTransferTokenFeeTooHigh.selector, 10_001, 10_000
            )
        );
        new FeeOnTransferToken("Fee", "FEE", 18, 10_001);
    }

    /// @notice The silent token really returns nothing.
    function test_ASilentTokenReturnsNothing() external {
        NoReturnToken token = new NoReturnToken("Silent", "SIL", 6);
        token.mint(address(this), 10);

        (bool done, bytes memory answer) =
            address(token).call(abi.encodeCall(NoReturnToken.transfer, (address(0xA11), 4)));

        vm.assertEq(done, true);
        vm.assertEq(answer.length, 0);
        vm.assertEq(token.balanceOf(address(0xA11)), 4);
    }

    /// @notice More than balance or allowance does not move.
    function test_ASilentTokenChecksBalanceAndAllowance() external {
        NoReturnToken token = new NoReturnToken("Silent", "SIL", 6);
        token.mint(address(this), 10);
        vm.expectRevert(
            abi.encodeWithSelector(
                NoReturnToken.NoReturnTokenInsufficient.selector, address(this), 10, 11
            )
        );
        token.transfer(address(0xA11), 11);

        token.approve(address(0xB0B), 5);
        vm.prank(address(0xB0B));
        vm.expectRevert(
            abi.encodeWithSelector(
                NoReturnToken.NoReturnTokenInsufficient.selector, address(this), 5, 6
            )
        );
        token.transferFrom(address(this), address(0xB0B), 6);
    }
}
