// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {CreditLine} from "../../src/CreditLine.sol";
import {TestToken} from "../../src/devnet/TestToken.sol";
import {Message, MessageKind, MessageLib} from "../../src/MessageLib.sol";
import {vm} from "./Cheats.sol";
import {Guardians} from "./Guardians.sol";

/// @notice A credit line with three guardians, two of whom sign, and a million of liquidity.
abstract contract CreditFixture is Guardians {
    uint256 internal constant RAY = 1e27;
    uint256 internal constant RATE_RAY = 3_170_979_198_376_458_650; // about 10 % a year
    uint256 internal constant LIQUIDITY = 1_000_000e6;
    uint256 internal constant LIMIT = 10_000e6;
    bytes32 internal constant ACCOUNT = keccak256("account");

    CreditLine internal line;
    TestToken internal token;
    uint256[] internal keys;
    address internal ann = address(0xA11);
    address internal bob = address(0xB0B);
    address internal lender = address(0x1E4D);

    function setUp() public virtual {
        vm.warp(START);
        keys = _keys(3, 0);
        token = new TestToken("Dollar", "USD", 6);
        line = _newLine(address(token), RATE_RAY);
        _fund(lender, LIQUIDITY);
        vm.prank(lender);
        line.supply(LIQUIDITY);
        _fund(bob, LIQUIDITY);
    }

    function _newLine(
        address debtToken,
        uint256 rateRay
    ) internal returns (CreditLine) {
        return new CreditLine(HUB_KEY, _addresses(keys), 2, OVERLAP_SECONDS, debtToken, rateRay);
    }

    function _fund(
        address owner,
        uint256 amount
    ) internal {
        token.mint(owner, amount);
        vm.prank(owner);
        token.approve(address(line), type(uint256).max);
    }

    function _grantMessage(
        uint256 limit
    ) internal returns (Message memory message) {
        message = _message(MessageKind.CREDIT_GRANT, address(line));
        message.account = ACCOUNT;
        message.token = MessageLib.toWord(address(token));
        message.amount = limit;
        message.recipient = MessageLib.toWord(ann);
    }

    function _grant(
        Message memory message
    ) internal {
        bytes memory raw = MessageLib.encode(message);
        line.grant(raw, 0, _signatures(line, raw, 0, _first(keys, 2)));
    }

    function _refused(
        Message memory message,
        bytes memory expected
    ) internal {
        bytes memory raw = MessageLib.encode(message);
        bytes[] memory signatures = _signatures(line, raw, 0, _first(keys, 2));
        vm.expectRevert(expected);
        line.grant(raw, 0, signatures);
    }

    function _borrow(
        uint256 amount
    ) internal {
        vm.prank(ann);
        line.borrow(ACCOUNT, amount, ann);
    }

    function _borrowRefused(
        uint256 amount,
        bytes memory expected
    ) internal {
        vm.prank(ann);
        vm.expectRevert(expected);
        line.borrow(ACCOUNT, amount, ann);
    }

    /// @dev Quotient rounded up, written out.
    function _ceil(
        uint256 numerator,
        uint256 divisor
    ) internal pure returns (uint256) {
        return numerator / divisor + (numerator % divisor == 0 ? 0 : 1);
    }
}
