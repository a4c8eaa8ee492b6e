// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ICreditLine} from "../src/interfaces/ICreditLine.sol";
import {Message, MessageLib} from "../src/MessageLib.sol";
import {vm} from "./support/Cheats.sol";
import {CreditFixture} from "./support/CreditFixture.sol";

/// @notice Does to a credit line whatever can be done, and keeps plain books beside it.
contract CreditHandler is CreditFixture {
    uint256 private constant ACCOUNTS = 3;

    uint256 private _now = START;
    uint256 public moneyIn; // supplied and repaid
    uint256 public moneyOut; // borrowed and withdrawn
    uint256 public borrows;
    uint256 public repayments;

    constructor() {
        setUp();
        moneyIn = LIQUIDITY;
    }

    modifier atNow() {
        vm.warp(_now);
        _;
    }

    function accountAt(
        uint256 which
    ) public pure returns (bytes32) {
        return keccak256(abi.encode("account", which % ACCOUNTS));
    }

    function passTime(
        uint32 seconds_
    ) external {
        _now += seconds_ % 30 days;
    }

    function grant(
        uint256 which,
        uint256 limit
    ) external atNow {
        Message memory message = _grantMessage(limit % (LIQUIDITY / 2));
        message.account = accountAt(which);
        _grant(message);
    }

    function borrow(
        uint256 which,
        uint256 amount
    ) external atNow {
        bytes32 account = accountAt(which);
        amount = amount % (LIQUIDITY / 4) + 1;
        vm.prank(ann);
        try line.borrow(account, amount, ann) {
            moneyOut += amount;
            borrows++;
            ICreditLine.Grant memory granted = line.grantOf(account);
            vm.assertLe(line.debtOf(account), granted.limit, "limit");
            vm.assertGe(granted.expiry, block.timestamp, "expiry");
        } catch {}
    }

    function repay(
        uint256 which,
        uint256 amount
    ) external atNow {
        bytes32 account = accountAt(which);
        uint256 debt = line.debtOf(account);
        token.mint(bob, debt);
        uint256 before = token.balanceOf(bob);
        vm.prank(bob);
        try line.repay(account, amount) {
            uint256 paid = before - token.balanceOf(bob);
            vm.assertEq(paid, amount < debt ? amount : debt, "paid");
            vm.assertGe(line.debtOf(account) + paid, debt, "debt fell by more than paid");
            moneyIn += paid;
            repayments++;
        } catch {}
    }

    function withdraw(
        uint256 amount
    ) external atNow {
        amount = amount % (LIQUIDITY / 8) + 1;
        vm.prank(lender);
        try line.withdraw(amount, lender) {
            moneyOut += amount;
        } catch {}
    }

    function check() external view {
        uint256 sum = 0;
        uint256 debts = 0;
        for (uint256 which = 0; which < ACCOUNTS; which++) {
            sum += line.scaledDebtOf(accountAt(which));
            debts += line.debtOf(accountAt(which));
        }
        vm.assertEq(line.scaledDebtTotal(), sum, "scaled total");
        vm.assertEq(line.liquidity(), moneyIn - moneyOut, "liquidity");
        vm.assertGe(line.liquidity() + debts, line.suppliedBy(lender), "the supplier is covered");
    }
}

contract CreditLineInvariantTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    CreditHandler private handler;

    function setUp() external {
        handler = new CreditHandler();
    }

    /// @notice Forge asks here what to call.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](5);
        selectors[0] = CreditHandler.passTime.selector;
        selectors[1] = CreditHandler.grant.selector;
        selectors[2] = CreditHandler.borrow.selector;
        selectors[3] = CreditHandler.repay.selector;
        selectors[4] = CreditHandler.withdraw.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// @notice Forge asks here whom to call, and nobody else.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @notice Debts add up, the pool holds what the flows say, and interest covers every rounding.
    function invariant_TheBooksOfTheLineAgree() external view {
        handler.check();
    }
}
