// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ICollateralVault} from "../src/interfaces/ICollateralVault.sol";
import {IMessageReceiver} from "../src/interfaces/IMessageReceiver.sol";
import {Message, MessageKind, MessageLib} from "../src/MessageLib.sol";
import {vm} from "./support/Cheats.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

/// @notice Pause and parameter messages to a vault.
contract CollateralVaultControlsTest is VaultFixture {
    bytes32 private constant CAPACITY_KEY = "outflow.capacity";
    bytes32 private constant WINDOW_KEY = "outflow.window";
    bytes32 private constant EXIT_KEY = "exit.delay";

    function _paused(
        uint256 flags
    ) private view returns (bytes memory) {
        return abi.encodeWithSelector(
            ICollateralVault.CollateralVaultPaused.selector, address(token), flags
        );
    }

    function _lockRefused(
        bytes memory expected
    ) private {
        vm.prank(ann);
        vm.expectRevert(expected);
        vault.lock(account, address(token), 1);
    }

    /// @dev External, so that expectEmit sees the vault's event as that of the next call.
    function execute(
        Message memory message
    ) external {
        _execute(message);
    }

    /// @notice Flag 1 stops release and seize, not locks; zero resumes.
    function test_APausedOutflowStopsReleaseAndSeize() external {
        _lock(10);
        _execute(_pauseMessage(address(token), 1));
        _lock(10);

        _refused(_payment(MessageKind.RELEASE, 1), _paused(1));
        _refused(_payment(MessageKind.SEIZE, 1), _paused(1));
        _execute(_pauseMessage(address(token), 0));
        _execute(_payment(MessageKind.RELEASE, 1));
        vm.assertEq(vault.held(address(token)), 19);
    }

    /// @notice Flag 2 stops locks, not payments.
    function test_PausedLocksStopLocks() external {
        _lock(10);
        _execute(_pauseMessage(address(token), 2));

        _lockRefused(_paused(2));
        _execute(_payment(MessageKind.RELEASE, 1));
        vm.assertEq(vault.held(address(token)), 9);
    }

    /// @notice A pause of everything counts beside the token's own; both must be lifted.
    function test_APauseOfEverythingCountsForEachToken() external {
        _lock(10);
        _execute(_pauseMessage(address(0), 1));
        _execute(_pauseMessage(address(token), 2));
        vm.assertEq(vault.pauseFlags(address(token)), 3);
        vm.assertEq(vault.pauseFlags(address(0xBEEF)), 1);

        _refused(_payment(MessageKind.RELEASE, 1), _paused(3));
        _lockRefused(_paused(3));
        _execute(_pauseMessage(address(0), 0));
        _execute(_payment(MessageKind.RELEASE, 1));
        _lockRefused(_paused(2));
    }

    /// @notice A pause of one token leaves the others alone.
    function test_APauseOfAnotherTokenChangesNothingHere() external {
        _execute(_pauseMessage(address(0xBEEF), 3));

        _lock(10);
        _execute(_payment(MessageKind.RELEASE, 1));
        vm.assertEq(vault.held(address(token)), 9);
    }

    /// @notice Flags above 3, an account or a recipient are refused.
    function test_AMalformedPauseIsRefused() external {
        _refused(
            _pauseMessage(address(0), 4),
            abi.encodeWithSelector(ICollateralVault.CollateralVaultPauseFlagsInvalid.selector, 4)
        );
        Message memory message = _pauseMessage(address(0), 1);
        message.recipient = MessageLib.toWord(bob);
        _refused(
            message,
            abi.encodeWithSelector(
                IMessageReceiver.MessageReceiverFieldNotZero.selector, message.recipient
            )
        );
    }

    /// @notice A "resume" that was held back does not undo a later pause.
    function test_AnOlderControlMessageIsRefused() external {
        Message memory resume = _pauseMessage(address(token), 0);
        Message memory pause = _pauseMessage(address(token), 1);
        _execute(pause);

        _refused(
            resume,
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultNonceOutdated.selector,
                MessageKind.PAUSE,
                resume.nonce,
                uint256(pause.nonce) + 1
            )
        );
        vm.assertEq(vault.pauseFlags(address(token)), 1);
    }

    /// @notice Each subject has its own order: a late message on another one is accepted.
    function test_ControlMessagesOnOtherSubjectsMayArriveLate() external {
        Message memory early = _pauseMessage(address(0xBEEF), 1);
        Message memory alsoEarly = _parameter(CAPACITY_KEY, address(token), 5);
        _execute(_pauseMessage(address(token), 1));
        _execute(_parameter(WINDOW_KEY, address(token), 60));

        _execute(early);
        _execute(alsoEarly);
        vm.assertEq(vault.outflowCapacity(address(token)), 5);
    }

    /// @notice A capacity can be changed, and listing is setting one.
    function test_ACapacityListsATokenAndZeroDelistsIt() external {
        address other = address(0xBEEF);
        Message memory message = _parameter(CAPACITY_KEY, other, 77);
        vm.expectEmit(address(vault));
        emit ICollateralVault.OutflowWindowChanged(_id(message), other, WINDOW_SECONDS);
        vm.expectEmit(address(vault));
        emit ICollateralVault.OutflowCapacityChanged(_id(message), other, 77);
        this.execute(message);
        vm.assertEq(vault.outflowCapacity(other), 77);
        vm.assertEq(vault.outflowWindow(other), WINDOW_SECONDS);

        _lock(10);
        _execute(_parameter(CAPACITY_KEY, address(token), 0));
        bytes memory notListed = abi.encodeWithSelector(
            ICollateralVault.CollateralVaultTokenNotListed.selector, address(token)
        );
        _lockRefused(notListed);
        _refused(_payment(MessageKind.RELEASE, 1), notListed);
    }

    /// @notice Delisting does not close the owners' way out.
    function test_ADelistedTokenCanStillExit() external {
        _lock(10);
        _execute(_parameter(CAPACITY_KEY, address(token), 0));
        vm.warp(START + EXIT_DELAY_SECONDS + 1);

        vm.prank(ann);
        vault.exit(salt, address(token), bob);
        vm.assertEq(token.balanceOf(bob), 10);
    }

    /// @notice A changed window does not forget what has just left.
    function test_AChangedWindowKeepsWhatLeft() external {
        _lock(3 * CAPACITY);
        _execute(_payment(MessageKind.RELEASE, CAPACITY));
        _execute(_parameter(WINDOW_KEY, address(token), 240));
        vm.assertEq(vault.outflowAvailable(address(token)), 0);

        vm.warp(START + 250);
        vm.assertEq(vault.outflowAvailable(address(token)), CAPACITY);
        vm.assertEq(vault.outflowWindow(address(token)), 240);
    }

    /// @notice The exit delay can be changed within its bounds.
    function test_TheExitDelayCanBeChanged() external {
        Message memory message = _parameter(EXIT_KEY, address(0), 1 days);
        vm.expectEmit(address(vault));
        emit ICollateralVault.ExitDelayChanged(_id(message), 1 days);
        this.execute(message);

        vm.assertEq(vault.exitDelay(), 1 days);
    }

    /// @notice Values outside the bounds are refused: owners must always have a way out.
    function testFuzz_AParameterOutOfRangeIsRefused(
        uint256 value
    ) external {
        vm.assume(value == 0 || value > 90 days);

        _refused(
            _parameter(EXIT_KEY, address(0), value),
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultParameterOutOfRange.selector,
                EXIT_KEY,
                value,
                1,
                90 days
            )
        );
        _refused(
            _parameter(WINDOW_KEY, address(token), value),
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultParameterOutOfRange.selector,
                WINDOW_KEY,
                value,
                1,
                30 days
            )
        );
    }

    /// @notice Unknown keys, keys of tokens without a token, and the delay of a token are refused.
    function test_AMalformedParameterIsRefused() external {
        _refused(
            _parameter("no.such.key", address(0), 1),
            abi.encodeWithSelector(
                ICollateralVault.CollateralVaultParameterUnknown.selector, bytes32("no.such.key")
            )
        );
        bytes memory notListed = abi.encodeWithSelector(
            ICollateralVault.CollateralVaultTokenNotListed.selector, address(0)
        );
        _refused(_parameter(CAPACITY_KEY, address(0), 1), notListed);
        _refused(_parameter(WINDOW_KEY, address(0), 60), notListed);
        Message memory message = _parameter(EXIT_KEY, address(token), 60);
        _refused(
            message,
            abi.encodeWithSelector(
                IMessageReceiver.MessageReceiverFieldNotZero.selector, message.token
            )
        );
    }

    /// @notice A set that is running out still pays, but no longer lifts pauses, changes parameters
    /// or uses up the numbers of control messages: its say must not outlive the overlap.
    function test_AnOutgoingSetMayNotControl() external {
        _lock(10);
        uint256[] memory newKeys = _keys(4, 1);
        address[] memory members = _addresses(newKeys);
        bytes memory raw = MessageLib.encode(_rotation(address(vault), 1, members, 3));
        bytes[] memory signatures = _signatures(vault, raw, 0, _first(keys, THRESHOLD));
        vault.rotateGuardianSet(raw, 0, members, 3, signatures);
        _execute(_payment(MessageKind.RELEASE, 1));
        raw = MessageLib.encode(_pauseMessage(address(token), 1));
        vault.execute(raw, 1, _signatures(vault, raw, 1, _first(newKeys, 3)));

        bytes memory refusal =
            abi.encodeWithSelector(IMessageReceiver.MessageReceiverNotCurrentSet.selector, 0, 1);
        Message memory resume = _pauseMessage(address(token), 0);
        resume.nonce = type(uint64).max;
        _refused(resume, refusal);
        _refused(_parameter(CAPACITY_KEY, address(token), type(uint256).max), refusal);
        _refused(_parameter(EXIT_KEY, address(0), 90 days), refusal);
        _refused(_payment(MessageKind.RELEASE, 1), _paused(1));

        raw = MessageLib.encode(resume);
        vault.execute(raw, 1, _signatures(vault, raw, 1, _first(newKeys, 3)));
        vm.assertEq(vault.pauseFlags(address(token)), 0);
    }

    /// @notice Delisting and listing again does not forget what has just left.
    function test_ARelistedTokenRemembersWhatLeft() external {
        _lock(2 * CAPACITY);
        _execute(_payment(MessageKind.RELEASE, CAPACITY));
        _execute(_parameter(CAPACITY_KEY, address(token), 0));
        _execute(_parameter(CAPACITY_KEY, address(token), CAPACITY + 1));

        vm.assertEq(vault.outflowAvailable(address(token)), 1);
    }
}
