// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

import {CollateralVault} from "../src/CollateralVault.sol";
import {FeeOnTransferToken} from "../src/devnet/FeeOnTransferToken.sol";
import {NoReturnToken} from "../src/devnet/NoReturnToken.sol";
import {TestToken} from "../src/devnet/TestToken.sol";
import {ICollateralVault} from "../src/interfaces/ICollateralVault.sol";
import {Message, MessageKind, MessageLib} from "../src/MessageLib.sol";
import {vm} from "./support/Cheats.sol";
import {GreedyToken} from "./support/GreedyToken.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @notice Calls back into its target on every transfer and keeps the answer.
contract ReentrantToken is TestToken {
    address private _target;
    bytes private _call;
    bool public wasAccepted;
    bytes public answer;

    constructor() TestToken("Reentrant", "RE", 18) {}

    function attack(
        address target,
        bytes calldata data
    ) external {
        _target = target;
        _call = data;
    }

    function _update(
        address from,
        address to,
        uint256 amount
    ) internal override {
        super._update(from, to, amount);
        if (_target != address(0)) {
            (wasAccepted, answer) = _target.call(_call);
        }
    }
}

contract CollateralVaultTokensTest is VaultFixture {
    function _adopt(
        TestToken other
    ) private {
        token = other;
        vault = _newVault(address(other), CAPACITY, WINDOW_SECONDS);
        _fund(ann, 1_000_000);
    }

    /// @notice What is credited is what arrived after the fee; the vault can pay all of it.
    function testFuzz_AFeeOnTransferIsNotCredited(
        uint256 amount,
        uint16 feeBps
    ) external {
        amount = amount % 1_000_000 + 1;
        feeBps %= 9_999;
        _adopt(new FeeOnTransferToken("Fee", "FEE", 18, feeBps));
        uint256 arrives = amount - (amount * feeBps + 9_999) / 10_000;
        vm.assume(arrives != 0);

        _lock(amount);
        vm.assertEq(vault.held(address(token)), arrives);
        vm.assertEq(token.balanceOf(address(vault)), arrives);

        _execute(_payment(MessageKind.RELEASE, arrives));
        vm.assertEq(vault.held(address(token)), 0);
        vm.assertEq(token.balanceOf(address(vault)), 0);
    }

    /// @notice When the fee eats everything, nothing is locked.
    function test_ALockOfWhichNothingArrivesIsRefused() external {
        _adopt(new FeeOnTransferToken("Fee", "FEE", 18, 10_000));

        vm.prank(ann);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultAmountZero.selector, account, address(token)
            )
        );
        vault.lock(account, address(token), 100);
    }

    /// @notice Tokens that return nothing work.
    function test_ATokenWithoutReturnValueWorks() external {
        NoReturnToken silent = new NoReturnToken("Silent", "SIL", 6);
        vault = _newVault(address(silent), CAPACITY, WINDOW_SECONDS);
        silent.mint(ann, 100);
        vm.startPrank(ann);
        silent.approve(address(vault), 100);
        vault.lock(account, address(silent), 100);
        vm.stopPrank();
        Message memory message = _payment(MessageKind.RELEASE, 60);
        message.token = MessageLib.toWord(address(silent));

        _execute(message);
        vm.warp(START + EXIT_DELAY_SECONDS + 1);
        vm.prank(ann);
        vault.exit(salt, address(silent), ann);

        vm.assertEq(silent.balanceOf(bob), 60);
        vm.assertEq(silent.balanceOf(ann), 40);
    }

    /// @notice A token that calls back during a lock, a payment or an exit gets nowhere.
    function test_AReentrantTokenIsShutOut() external {
        ReentrantToken hostile = new ReentrantToken();
        _adopt(hostile);
        hostile.mint(address(hostile), 100);
        bytes memory again = abi.encodeCall(CollateralVault.lock, (account, address(hostile), 1));
        hostile.attack(address(vault), again);
        _lock(100);
        _shutOut(hostile);
        vm.assertEq(vault.lockCount(), 1);

        bytes memory raw = MessageLib.encode(_payment(MessageKind.RELEASE, 10));
        bytes[] memory signatures = _signatures(vault, raw, 0, _first(keys, THRESHOLD));
        hostile.attack(
            address(vault), abi.encodeCall(CollateralVault.execute, (raw, 0, signatures))
        );
        _execute(_payment(MessageKind.RELEASE, 10));
        _shutOut(hostile);

        hostile.attack(
            address(vault), abi.encodeCall(CollateralVault.exit, (salt, address(hostile), bob))
        );
        vm.warp(START + EXIT_DELAY_SECONDS + 1);
        vm.prank(ann);
        vault.exit(salt, address(hostile), bob);
        _shutOut(hostile);
        vm.assertEq(hostile.balanceOf(bob), 100);
    }

    function _shutOut(
        ReentrantToken hostile
    ) private view {
        vm.assertEq(hostile.wasAccepted(), false);
        vm.assertEq(
            hostile.answer(),
            abi.encodeWithSelector(ReentrancyGuard.ReentrancyGuardReentrantCall.selector)
        );
    }

    /// @notice A token that takes more than the payment from the vault is stopped.
    function test_AnOverpaymentIsRefused() external {
        GreedyToken greedy = new GreedyToken();
        _adopt(greedy);
        _lock(100);
        greedy.setVictim(address(vault));

        _refused(
            _payment(MessageKind.RELEASE, 10),
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultOverpaid.selector, address(token), 90, 89
            )
        );
    }

    /// @notice An exit may not take from the others either: otherwise whoever collects the surplus
    /// empties the vault by locking and leaving again and again.
    function test_AnOverpaidExitIsRefused() external {
        GreedyToken greedy = new GreedyToken();
        _adopt(greedy);
        _lock(100);
        bytes32 own = vault.accountOf(bob, salt);
        vm.prank(ann);
        vault.lock(own, address(token), 7);
        greedy.setVictim(address(vault));
        vm.warp(START + EXIT_DELAY_SECONDS + 1);

        vm.prank(bob);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultOverpaid.selector, address(token), 100, 99
            )
        );
        vault.exit(salt, address(token), bob);
        vm.assertEq(token.balanceOf(address(vault)), vault.held(address(token)));
    }
}
