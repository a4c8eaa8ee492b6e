// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {CollateralVault} from "../src/CollateralVault.sol";
import {ICollateralVault} from "../src/interfaces/ICollateralVault.sol";
import {IGuardianSet} from "../src/interfaces/IGuardianSet.sol";
import {IMessageReceiver} from "../src/interfaces/IMessageReceiver.sol";
import {Message, MessageKind, MessageLib} from "../src/MessageLib.sol";
import {vm} from "./support/Cheats.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

contract CollateralVaultTest is VaultFixture {
    /// @notice A lock credits the account and gets the next id.
    function test_ALockCreditsTheAccount() external {
        vm.expectEmit(address(vault));
        emit ICollateralVault.CollateralLocked(1, account, address(token), ann, 40, 40);
        _lock(40);
        vm.expectEmit(address(vault));
        emit ICollateralVault.CollateralLocked(2, account, address(token), ann, 2, 42);
        _lock(2);

        vm.assertEq(vault.lockCount(), 2);
        vm.assertEq(vault.held(address(token)), 42);
        vm.assertEq(vault.collateralOf(account, address(token)), 42);
        vm.assertEq(token.balanceOf(address(vault)), 42);
    }

    /// @notice Account zero, a zero amount and an unlisted token are refused.
    function test_ALockOfNothingForNobodyIsRefused() external {
        vm.startPrank(ann);
        vm.expectRevert(
            abi.encodeWithSelector(ICollateralVault.CollateralVaultAccountZero.selector)
        );
        vault.lock(0, address(token), 1);

        vm.expectRevert(
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultAmountZero.selector, account, address(token)
            )
        );
        vault.lock(account, address(token), 0);

        vm.expectRevert(
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultTokenNotListed.selector, address(0xBAD)
            )
        );
        vault.lock(account, address(0xBAD), 1);
        vm.stopPrank();
    }

    /// @notice A release pays the recipient and lowers both books.
    function test_AReleasePaysTheRecipient() external {
        _lock(100);
        Message memory message = _payment(MessageKind.RELEASE, 30);

        vm.expectEmit(address(vault));
        emit ICollateralVault.CollateralReleased(
            _id(message), account, address(token), bob, 30, 70
        );
        this.execute(message);

        vm.assertEq(token.balanceOf(bob), 30);
        vm.assertEq(vault.held(address(token)), 70);
        vm.assertEq(vault.collateralOf(account, address(token)), 70);
    }

    /// @notice A seizure pays the liquidator and says so.
    function test_ASeizurePaysTheLiquidator() external {
        _lock(100);
        Message memory message = _payment(MessageKind.SEIZE, 100);

        vm.expectEmit(address(vault));
        emit ICollateralVault.CollateralSeized(_id(message), account, address(token), bob, 100, 0);
        this.execute(message);

        vm.assertEq(token.balanceOf(bob), 100);
    }

    /// @dev External, so that expectEmit sees the vault's event as that of the next call.
    function execute(
        Message memory message
    ) external {
        _execute(message);
    }

    /// @notice Nobody is paid more than the account holds, whatever others hold.
    function testFuzz_APaymentAboveTheCollateralIsRefused(
        uint256 amount
    ) external {
        _lock(100);
        vm.prank(ann);
        vault.lock(keccak256("another account"), address(token), 1000);
        vm.assume(amount > 100);

        _refused(
            _payment(MessageKind.SEIZE, amount),
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultInsufficient.selector,
                account,
                address(token),
                amount,
                100
            )
        );
    }

    /// @notice Zero amounts, recipient zero, the vault as recipient and dirty addresses are
    /// refused.
    function test_AMalformedPaymentIsRefused() external {
        _lock(100);
        _refused(
            _payment(MessageKind.RELEASE, 0),
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultAmountZero.selector, account, address(token)
            )
        );
        address[2] memory recipients = [address(0), address(vault)];
        for (uint256 i = 0; i < recipients.length; i++) {
            Message memory lost = _payment(MessageKind.RELEASE, 1);
            lost.recipient = MessageLib.toWord(recipients[i]);
            _refused(
                lost,
                abi.encodeWithSelector(
                    ICollateralVault.CollateralVaultRecipientInvalid.selector, recipients[i]
                )
            );
        }
        Message memory message = _payment(MessageKind.RELEASE, 1);
        message.recipient = bytes32(uint256(message.recipient) | 1 << 160);
        _refused(
            message,
            abi.encodeWithSelector(MessageLib.MessageLibNotAnAddress.selector, message.recipient)
        );
        message = _payment(MessageKind.RELEASE, 1);
        message.token = bytes32(uint256(message.token) | 1 << 255);
        _refused(
            message,
            abi.encodeWithSelector(MessageLib.MessageLibNotAnAddress.selector, message.token)
        );
    }

    /// @notice Fewer than three signatures move nothing.
    function testFuzz_FewerThanTheThresholdMoveNothing(
        uint8 count
    ) external {
        count %= THRESHOLD;
        _lock(100);
        bytes memory raw = MessageLib.encode(_payment(MessageKind.RELEASE, 1));
        bytes[] memory signatures = _signatures(vault, raw, 0, _first(keys, count));

        vm.expectRevert(
            abi.encodeWithSelector(
                IGuardianSet.GuardianSetQuorumMissing.selector, count, THRESHOLD
            )
        );
        vault.execute(raw, 0, signatures);
    }

    /// @notice Kinds for other functions are refused.
    function test_GrantAndRotationAreNotExecutedHere() external {
        MessageKind[2] memory kinds = [MessageKind.CREDIT_GRANT, MessageKind.GUARDIAN_SET];
        for (uint256 i = 0; i < kinds.length; i++) {
            _refused(
                _message(kinds[i], address(vault)),
                abi.encodeWithSelector(
                    IMessageReceiver.MessageReceiverWrongKind.selector, kinds[i]
                )
            );
        }
    }

    /// @notice What is above the capacity says so; what is above the rest says how long to wait,
    /// exactly.
    function testFuzz_TheOutflowLimitNamesTheExactWait(
        uint256 first,
        uint256 second,
        uint32 offset
    ) external {
        first = first % CAPACITY + 1;
        second = second % CAPACITY + 1;
        vm.assume(first + second > CAPACITY);
        vm.warp(START + offset);
        _lock(3 * CAPACITY);
        _execute(_payment(MessageKind.RELEASE, first));
        vm.assertEq(vault.outflowAvailable(address(token)), CAPACITY - first);
        uint256 wait = vault.outflowWaitSeconds(address(token), second);
        vm.assertGe(wait, WINDOW_SECONDS + 1, "a window at least");
        vm.assertLe(wait, WINDOW_SECONDS + WINDOW_SECONDS / 24, "a bucket more at most");

        _refused(
            _payment(MessageKind.SEIZE, second),
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultOutflowLimited.selector,
                address(token),
                second,
                CAPACITY - first,
                wait
            )
        );
        vm.warp(START + offset + wait - 1);
        _refused(
            _payment(MessageKind.SEIZE, second),
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultOutflowLimited.selector,
                address(token),
                second,
                CAPACITY - first,
                1
            )
        );
        vm.warp(START + offset + wait);
        _execute(_payment(MessageKind.SEIZE, second));
        vm.assertEq(token.balanceOf(bob), first + second);
    }

    /// @notice An amount above the capacity can never leave.
    function test_AnAmountAboveTheCapacityIsRefused() external {
        _lock(2 * CAPACITY);
        vm.assertEq(vault.outflowWaitSeconds(address(token), CAPACITY + 1), type(uint256).max);

        _refused(
            _payment(MessageKind.RELEASE, CAPACITY + 1),
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultOutflowAboveCapacity.selector,
                address(token),
                CAPACITY + 1,
                CAPACITY
            )
        );
    }

    /// @notice Of a token that was never listed nothing is available, and asking does not fail.
    function test_AnUnlistedTokenHasNoOutflow() external view {
        vm.assertEq(vault.outflowAvailable(address(0xBEEF)), 0);
        vm.assertEq(vault.outflowCapacity(address(0xBEEF)), 0);
        vm.assertEq(vault.outflowWaitSeconds(address(0xBEEF), 1), type(uint256).max);
        vm.assertEq(vault.outflowWaitSeconds(address(0xBEEF), 0), 0);
    }

    /// @notice The opener gets everything out after the delay, not subject to limit or pause.
    function test_AnOwnerExitsWhenTheGuardiansAreSilent() external {
        _lock(2 * CAPACITY);
        _execute(_pauseMessage(address(0), 3));
        vm.warp(START + EXIT_DELAY_SECONDS);
        vm.prank(ann);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultExitTooEarly.selector,
                START + EXIT_DELAY_SECONDS,
                START + EXIT_DELAY_SECONDS
            )
        );
        vault.exit(salt, address(token), bob);

        vm.warp(START + EXIT_DELAY_SECONDS + 1);
        vm.prank(ann);
        vm.expectEmit(address(vault));
        emit ICollateralVault.CollateralExited(account, address(token), ann, bob, 2 * CAPACITY, 0);
        vault.exit(salt, address(token), bob);

        vm.assertEq(token.balanceOf(bob), 2 * CAPACITY);
        vm.assertEq(vault.held(address(token)), 0);
    }

    /// @notice After a release an exit takes the rest, once; what others hold, the insurance too,
    /// stays.
    function test_AnExitTakesTheRestOnce() external {
        _lock(100);
        vm.prank(ann);
        vault.lock(keccak256("insurance"), address(token), 1000);
        _execute(_payment(MessageKind.RELEASE, 30));
        vm.warp(START + EXIT_DELAY_SECONDS + 1);
        vm.prank(ann);
        vault.exit(salt, address(token), ann);

        vm.assertEq(vault.collateralOf(account, address(token)), 0);
        vm.assertEq(vault.held(address(token)), 1000);
        vm.prank(ann);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultAmountZero.selector, account, address(token)
            )
        );
        vault.exit(salt, address(token), ann);
    }

    /// @notice Only the opener owns the account: another caller has another account, which is
    /// empty.
    function test_AStrangerExitsNothing() external {
        _lock(100);
        vm.warp(START + EXIT_DELAY_SECONDS + 1);
        bytes32 own = vault.accountOf(bob, salt);

        vm.prank(bob);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultAmountZero.selector, own, address(token)
            )
        );
        vault.exit(salt, address(token), bob);
    }

    /// @notice Every accepted message starts the silence anew.
    function test_AMessageEndsTheSilence() external {
        _lock(100);
        vm.warp(START + EXIT_DELAY_SECONDS + 1);
        _execute(_payment(MessageKind.RELEASE, 1));

        vm.prank(ann);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultExitTooEarly.selector,
                START + EXIT_DELAY_SECONDS + 1,
                START + 2 * EXIT_DELAY_SECONDS + 1
            )
        );
        vault.exit(salt, address(token), bob);
    }

    /// @notice An exit to nobody or to the vault is refused.
    function test_AnExitToNobodyIsRefused() external {
        _lock(100);
        vm.warp(START + EXIT_DELAY_SECONDS + 1);
        address[2] memory recipients = [address(0), address(vault)];
        for (uint256 i = 0; i < recipients.length; i++) {
            vm.prank(ann);
            vm.expectRevert(
                abi.encodeWithSelector(
                    ICollateralVault.CollateralVaultRecipientInvalid.selector, recipients[i]
                )
            );
            vault.exit(salt, address(token), recipients[i]);
        }
    }

    /// @notice The account id is the hash of domain, padded opener and salt.
    function testFuzz_AnAccountIsTheHashOfOpenerAndSalt(
        address owner,
        bytes32 anySalt
    ) external view {
        vm.assertEq(
            vault.accountOf(owner, anySalt),
            keccak256(
                bytes.concat(keccak256("relayer.account.v1"), MessageLib.toWord(owner), anySalt)
            )
        );
    }

    /// @notice A vault needs as many capacities as tokens, and each token once.
    function test_MisfitListsAreRefused() external {
        address[] memory tokens = new address[](2);
        (tokens[0], tokens[1]) = (address(token), address(token));
        uint256[] memory capacities = new uint256[](1);
        address[] memory members = _addresses(keys);
        vm.expectRevert(
            abi.encodeWithSelector(ICollateralVault.CollateralVaultListLengths.selector, 2, 1)
        );
        new CollateralVault(HUB_KEY, members, 3, 60, 60, tokens, capacities, 60);

        capacities = new uint256[](2);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultTokenTwice.selector, address(token)
            )
        );
        new CollateralVault(HUB_KEY, members, 3, 60, 60, tokens, capacities, 60);
    }
}
