// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {FeeOnTransferToken} from "../src/devnet/FeeOnTransferToken.sol";
import {ICreditLine} from "../src/interfaces/ICreditLine.sol";
import {IGuardianSet} from "../src/interfaces/IGuardianSet.sol";
import {IMessageReceiver} from "../src/interfaces/IMessageReceiver.sol";
import {Message, MessageKind, MessageLib} from "../src/MessageLib.sol";
import {vm} from "./support/Cheats.sol";
import {CreditFixture} from "./support/CreditFixture.sol";

contract CreditLineTest is CreditFixture {
    /// @dev External, so that expectEmit sees the line's event as that of the next call.
    function grant(
        Message memory message
    ) external {
        _grant(message);
    }

    /// @notice A grant names borrower, limit and expiry.
    function test_AGrantIsStored() external {
        Message memory message = _grantMessage(LIMIT);
        vm.expectEmit(address(line));
        emit ICreditLine.CreditGranted(
            _id(message), ACCOUNT, ann, LIMIT, message.expiry, message.nonce
        );
        this.grant(message);

        ICreditLine.Grant memory granted = line.grantOf(ACCOUNT);
        vm.assertEq(granted.borrower, ann);
        vm.assertEq(granted.limit, LIMIT);
        vm.assertEq(granted.expiry, message.expiry);
        vm.assertEq(granted.nonce, message.nonce);
    }

    /// @notice A newer grant replaces an older one, never the other way round.
    function test_OnlyANewerGrantReplaces() external {
        Message memory older = _grantMessage(2 * LIMIT);
        Message memory newer = _grantMessage(LIMIT);
        _grant(newer);

        _refused(
            older,
            abi.encodeWithSelector(
                ICreditLine.CreditLineNonceOutdated.selector,
                ACCOUNT,
                older.nonce,
                uint256(newer.nonce) + 1
            )
        );
        vm.assertEq(line.grantOf(ACCOUNT).limit, LIMIT);
        _refused(
            newer,
            abi.encodeWithSelector(
                IMessageReceiver.MessageReceiverAlreadyExecuted.selector, _id(newer)
            )
        );
    }

    /// @notice Other kinds, tokens, accounts and borrowers are refused.
    function test_AMalformedGrantIsRefused() external {
        Message memory message = _grantMessage(LIMIT);
        message.kind = MessageKind.RELEASE;
        _refused(
            message,
            abi.encodeWithSelector(
                IMessageReceiver.MessageReceiverWrongKind.selector, MessageKind.RELEASE
            )
        );
        message = _grantMessage(LIMIT);
        message.account = 0;
        _refused(message, abi.encodeWithSelector(ICreditLine.CreditLineAccountZero.selector));
        message = _grantMessage(LIMIT);
        message.token = MessageLib.toWord(bob);
        _refused(
            message,
            abi.encodeWithSelector(ICreditLine.CreditLineWrongToken.selector, bob, address(token))
        );
        message = _grantMessage(LIMIT);
        message.recipient = 0;
        _refused(
            message,
            abi.encodeWithSelector(ICreditLine.CreditLineRecipientInvalid.selector, address(0))
        );
        message = _grantMessage(LIMIT);
        vm.warp(uint256(message.expiry) + 1);
        _refused(
            message,
            abi.encodeWithSelector(
                IMessageReceiver.MessageReceiverExpired.selector,
                _id(message),
                message.expiry,
                block.timestamp
            )
        );
    }

    /// @notice One signature of three does not grant.
    function test_AGrantNeedsAQuorum() external {
        bytes memory raw = MessageLib.encode(_grantMessage(LIMIT));
        bytes[] memory signatures = _signatures(line, raw, 0, _first(keys, 1));

        vm.expectRevert(
            abi.encodeWithSelector(IGuardianSet.GuardianSetQuorumMissing.selector, 1, 2)
        );
        line.grant(raw, 0, signatures);
    }

    /// @notice The borrower draws; the debt is what was drawn.
    function test_TheBorrowerDraws() external {
        _grant(_grantMessage(LIMIT));
        vm.prank(ann);
        vm.expectEmit(address(line));
        emit ICreditLine.Borrowed(ACCOUNT, ann, bob, LIMIT, LIMIT, RAY);
        line.borrow(ACCOUNT, LIMIT, bob);

        vm.assertEq(line.debtOf(ACCOUNT), LIMIT);
        vm.assertEq(line.liquidity(), LIQUIDITY - LIMIT);
    }

    /// @notice The debt may not exceed the limit, interest included.
    function test_TheLimitCountsInterest() external {
        _grant(_grantMessage(LIMIT));
        _borrow(LIMIT - 1);
        vm.warp(START + 600);
        uint256 debt = line.debtOf(ACCOUNT);
        vm.assertGe(debt, LIMIT, "interest has grown");

        (bool accepted,) =
            address(line).call(abi.encodeCall(ICreditLine.borrow, (ACCOUNT, 1, ann)));
        vm.assertEq(accepted, false);
        uint256 indexRay = line.index();
        uint256 scaled = line.scaledDebtOf(ACCOUNT) + _ceil(RAY, indexRay);
        _borrowRefused(
            1,
            abi.encodeWithSelector(
                ICreditLine.CreditLineLimitExceeded.selector,
                ACCOUNT,
                _ceil(scaled * indexRay, RAY),
                LIMIT
            )
        );
    }

    /// @notice Only the named borrower draws, and only until the expiry.
    function test_StrangersAndLateBorrowersAreRefused() external {
        Message memory message = _grantMessage(LIMIT);
        _grant(message);
        vm.prank(bob);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditLine.CreditLineNotBorrower.selector, ACCOUNT, bob, ann)
        );
        line.borrow(ACCOUNT, 1, bob);

        vm.warp(message.expiry);
        _borrow(1);
        vm.warp(uint256(message.expiry) + 1);
        _borrowRefused(
            1,
            abi.encodeWithSelector(
                ICreditLine.CreditLineGrantExpired.selector,
                ACCOUNT,
                message.expiry,
                uint256(message.expiry) + 1
            )
        );
    }

    /// @notice Nothing, to nobody, or more than there is cannot be drawn.
    function test_AnImpossibleDrawIsRefused() external {
        _grant(_grantMessage(type(uint256).max));

        _borrowRefused(0, abi.encodeWithSelector(ICreditLine.CreditLineAmountZero.selector));
        _borrowRefused(
            LIQUIDITY + 1,
            abi.encodeWithSelector(
                ICreditLine.CreditLineLiquidityShort.selector, LIQUIDITY + 1, LIQUIDITY
            )
        );
        vm.prank(ann);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditLine.CreditLineRecipientInvalid.selector, address(line))
        );
        line.borrow(ACCOUNT, 1, address(line));
    }

    /// @notice The index grows by ceil(index * rate * seconds / 1e27), and debts with it.
    function testFuzz_InterestFollowsTheIndex(
        uint256 amount,
        uint32 first,
        uint32 second
    ) external {
        amount = amount % LIQUIDITY + 1;
        Message memory message = _grantMessage(type(uint256).max);
        message.expiry = type(uint64).max;
        _grant(message);
        vm.warp(START + uint256(first));
        _borrow(amount);

        uint256 indexRay = RAY + _ceil(RAY * RATE_RAY * first, RAY);
        uint256 scaled = _ceil(amount * RAY, indexRay);
        vm.assertEq(line.indexStored(), indexRay);
        vm.assertEq(line.lastAccruedAt(), START + uint256(first));
        vm.assertEq(line.scaledDebtOf(ACCOUNT), scaled);
        vm.warp(START + uint256(first) + second);
        indexRay += _ceil(indexRay * RATE_RAY * second, RAY);
        vm.assertEq(line.index(), indexRay);
        vm.assertEq(line.debtOf(ACCOUNT), _ceil(scaled * indexRay, RAY));
    }

    /// @notice Anyone repays; part of the debt lowers it by no more than what was paid.
    function testFuzz_APartialRepaymentLowersTheDebt(
        uint256 paid,
        uint32 seconds_
    ) external {
        _grant(_grantMessage(LIMIT));
        _borrow(LIMIT);
        vm.warp(START + uint256(seconds_));
        uint256 debt = line.debtOf(ACCOUNT);
        paid = paid % (debt - 2) + 2;
        uint256 indexRay = line.index();
        uint256 burned = paid == debt ? LIMIT : paid * RAY / indexRay;
        vm.assume(burned != 0);

        vm.prank(bob);
        vm.expectEmit(address(line));
        emit ICreditLine.Repaid(ACCOUNT, bob, paid, LIMIT - burned, indexRay);
        line.repay(ACCOUNT, paid);

        vm.assertEq(token.balanceOf(bob), LIQUIDITY - paid);
        vm.assertGe(line.debtOf(ACCOUNT) + paid, debt, "not more than paid");
    }

    /// @notice The largest amount repays all, and no repayment takes more than the debt.
    function testFuzz_ARepaymentNeverTakesMoreThanTheDebt(
        uint256 extra,
        uint32 seconds_
    ) external {
        _grant(_grantMessage(LIMIT));
        _borrow(LIMIT);
        vm.warp(START + uint256(seconds_));
        uint256 debt = line.debtOf(ACCOUNT);
        extra %= type(uint256).max - debt + 1;
        // The exact debt, anything above, and the largest number all mean the same.
        uint256 amount = extra % 3 == 0 ? type(uint256).max : debt + extra;

        vm.prank(bob);
        line.repay(ACCOUNT, amount);

        vm.assertEq(token.balanceOf(bob), LIQUIDITY - debt);
        vm.assertEq(line.scaledDebtOf(ACCOUNT), 0);
        vm.assertEq(line.scaledDebtTotal(), 0);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(ICreditLine.CreditLineNoDebt.selector, ACCOUNT));
        line.repay(ACCOUNT, 1);
    }

    /// @notice A payment that would lower nothing is refused rather than kept.
    function test_ATooSmallRepaymentIsRefused() external {
        _grant(_grantMessage(LIMIT));
        _borrow(LIMIT);
        vm.warp(START + 365 days);
        vm.prank(bob);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditLine.CreditLineRepaymentTooSmall.selector, ACCOUNT, 1)
        );
        line.repay(ACCOUNT, 1);

        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(ICreditLine.CreditLineAmountZero.selector));
        line.repay(ACCOUNT, 0);
    }

    /// @notice A supplier takes back what is not lent out, and not more than supplied.
    function test_ASupplierTakesBackOwnLiquidity() external {
        _grant(_grantMessage(LIMIT));
        _borrow(LIMIT);
        vm.prank(bob);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditLine.CreditLineSupplyShort.selector, bob, 1, 0)
        );
        line.withdraw(1, bob);

        vm.prank(lender);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICreditLine.CreditLineLiquidityShort.selector, LIQUIDITY, LIQUIDITY - LIMIT
            )
        );
        line.withdraw(LIQUIDITY, lender);

        vm.prank(lender);
        vm.expectEmit(address(line));
        emit ICreditLine.Withdrawn(lender, bob, LIQUIDITY - LIMIT, LIMIT);
        line.withdraw(LIQUIDITY - LIMIT, bob);
        vm.assertEq(line.suppliedBy(lender), LIMIT);
    }

    /// @notice A zero supply, a zero withdrawal and one to nobody are refused.
    function test_AnEmptySupplyOrWithdrawalIsRefused() external {
        bytes memory zero = abi.encodeWithSelector(ICreditLine.CreditLineAmountZero.selector);
        vm.startPrank(lender);
        vm.expectRevert(zero);
        line.supply(0);
        vm.expectRevert(zero);
        line.withdraw(0, lender);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditLine.CreditLineRecipientInvalid.selector, address(0))
        );
        line.withdraw(1, address(0));
        vm.stopPrank();
    }

    /// @notice Tokens of which less arrives than was sent are refused.
    function test_AFeeOnTransferDebtTokenIsRefused() external {
        token = new FeeOnTransferToken("Fee", "FEE", 6, 100);
        line = _newLine(address(token), RATE_RAY);
        _fund(lender, 1000);

        vm.prank(lender);
        vm.expectRevert(
            abi.encodeWithSelector(ICreditLine.CreditLineArrivalMismatch.selector, 1000, 990)
        );
        line.supply(1000);
    }

    /// @notice A rate that could overflow the index is refused.
    function test_ARateAboveTheBoundIsRefused() external {
        vm.expectRevert(
            abi.encodeWithSelector(ICreditLine.CreditLineRateTooHigh.selector, 1e20 + 1, 1e20)
        );
        this.deploy(1e20 + 1);
    }

    /// @dev External, so that the refusal is that of one call.
    function deploy(
        uint256 rateRay
    ) external {
        _newLine(address(token), rateRay);
    }

    /// @notice The guardians of a credit line rotate like those of a vault.
    function test_AGuardianSetRotates() external {
        uint256[] memory newKeys = _keys(4, 1);
        bytes memory raw = MessageLib.encode(_rotation(address(line), 1, _addresses(newKeys), 3));
        bytes[] memory signatures = _signatures(line, raw, 0, _first(keys, 2));
        line.rotateGuardianSet(raw, 0, _addresses(newKeys), 3, signatures);

        raw = MessageLib.encode(_grantMessage(LIMIT));
        line.grant(raw, 1, _signatures(line, raw, 1, _first(newKeys, 3)));
        vm.assertEq(line.grantOf(ACCOUNT).limit, LIMIT);
    }

    /// @notice A set that is running out grants nothing: a grant of the highest number could never
    /// be replaced and would outlive the overlap.
    function test_AnOutgoingSetMayNotGrant() external {
        uint256[] memory newKeys = _keys(4, 1);
        bytes memory raw = MessageLib.encode(_rotation(address(line), 1, _addresses(newKeys), 3));
        bytes[] memory signatures = _signatures(line, raw, 0, _first(keys, 2));
        line.rotateGuardianSet(raw, 0, _addresses(newKeys), 3, signatures);
        Message memory forever = _grantMessage(type(uint256).max);
        forever.nonce = type(uint64).max;
        forever.expiry = type(uint64).max;

        _refused(
            forever,
            abi.encodeWithSelector(IMessageReceiver.MessageReceiverNotCurrentSet.selector, 0, 1)
        );
    }
}
