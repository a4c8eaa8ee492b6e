// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ICreditLine} from "../src/interfaces/ICreditLine.sol";
import {vm} from "./support/Cheats.sol";
import {CreditFixture} from "./support/CreditFixture.sol";
import {GreedyToken} from "./support/GreedyToken.sol";

/// @notice A credit line whose debt token is not ordinary, and money that nobody lent.
contract CreditLineTokensTest is CreditFixture {
    /// @notice A token that takes more than the payment from the pool is stopped: otherwise the
    /// surplus is paid by the other suppliers.
    function test_AnOverpaymentIsRefused() external {
        GreedyToken greedy = new GreedyToken();
        token = greedy;
        line = _newLine(address(greedy), RATE_RAY);
        _fund(lender, 1000);
        _fund(bob, 10);
        vm.prank(lender);
        line.supply(1000);
        vm.prank(bob);
        line.supply(10);
        _grant(_grantMessage(LIMIT));
        greedy.setVictim(address(line));

        bytes memory refusal =
            abi.encodeWithSelector(ICreditLine.CreditLineOverpaid.selector, 1000, 999);
        vm.prank(bob);
        vm.expectRevert(refusal);
        line.withdraw(10, bob);
        _borrowRefused(10, refusal);
        vm.assertEq(token.balanceOf(address(line)), 1010);
    }

    /// @notice A gift is liquidity, but nobody's supply.
    function test_AGiftCanBeLentButNotWithdrawn() external {
        token.mint(address(line), 5);
        vm.assertEq(line.liquidity(), LIQUIDITY + 5);

        vm.prank(lender);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICreditLine.CreditLineSupplyShort.selector, lender, LIQUIDITY + 1, LIQUIDITY
            )
        );
        line.withdraw(LIQUIDITY + 1, lender);
        _grant(_grantMessage(type(uint256).max));
        _borrow(LIQUIDITY + 5);
        vm.assertEq(line.liquidity(), 0);
    }

    /// @notice One unit drawn on a grown index owes two: rounding favours the pool, and the limit
    /// counts what is owed.
    function test_OneUnitOnAGrownIndexOwesTwo() external {
        vm.warp(START + 600);
        _grant(_grantMessage(1));
        _borrowRefused(
            1, abi.encodeWithSelector(ICreditLine.CreditLineLimitExceeded.selector, ACCOUNT, 2, 1)
        );
        _grant(_grantMessage(2));
        _borrow(1);

        vm.assertEq(line.scaledDebtOf(ACCOUNT), 1);
        vm.assertEq(line.debtOf(ACCOUNT), 2);
        vm.prank(bob);
        line.repay(ACCOUNT, type(uint256).max);
        vm.assertEq(token.balanceOf(bob), LIQUIDITY - 2);
        vm.assertEq(line.debtOf(ACCOUNT), 0);
    }

    /// @notice The limit is exact: it may be owed to the unit, and not one unit more.
    function test_TheLimitIsExact() external {
        _grant(_grantMessage(LIMIT));
        _borrowRefused(
            LIMIT + 1,
            abi.encodeWithSelector(
                ICreditLine.CreditLineLimitExceeded.selector, ACCOUNT, LIMIT + 1, LIMIT
            )
        );
        _borrow(LIMIT);

        vm.assertEq(line.debtOf(ACCOUNT), LIMIT);
    }

    /// @notice The total of scaled debts follows every draw and every repayment.
    function test_TheTotalFollowsDrawsAndRepayments() external {
        _grant(_grantMessage(LIMIT));
        _borrow(LIMIT);
        vm.assertEq(line.scaledDebtTotal(), LIMIT);

        vm.prank(bob);
        line.repay(ACCOUNT, 1);
        vm.assertEq(line.scaledDebtTotal(), LIMIT - 1);
    }

    /// @notice Many small repayments never lower a debt by more than was paid.
    function testFuzz_SmallRepaymentsGainNothing(
        uint32 seconds_,
        uint8 amount
    ) external {
        _grant(_grantMessage(LIMIT));
        _borrow(1000);
        vm.warp(START + uint256(seconds_));
        uint256 debt = line.debtOf(ACCOUNT);
        uint256 step = uint256(amount) % 50 + 3 * line.index() / RAY;
        uint256 paid = 0;
        for (uint256 turn = 0; turn < 20 && line.debtOf(ACCOUNT) > step; turn++) {
            vm.prank(bob);
            line.repay(ACCOUNT, step);
            paid += step;
        }

        vm.assertGe(line.debtOf(ACCOUNT) + paid, debt, "not more than paid");
    }
}
