// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {CollateralVault} from "../../src/CollateralVault.sol";
import {TestToken} from "../../src/devnet/TestToken.sol";
import {Message, MessageKind, MessageLib} from "../../src/MessageLib.sol";
import {vm} from "./Cheats.sol";
import {Guardians} from "./Guardians.sol";

/// @notice A vault with five guardians, three of whom sign, and one listed token.
abstract contract VaultFixture is Guardians {
    uint64 internal constant EXIT_DELAY_SECONDS = 7 days;
    uint64 internal constant WINDOW_SECONDS = 24 hours;
    uint256 internal constant CAPACITY = 1_000_000;
    uint8 internal constant THRESHOLD = 3;

    CollateralVault internal vault;
    TestToken internal token;
    uint256[] internal keys;
    address internal ann = address(0xA11);
    address internal bob = address(0xB0B);
    bytes32 internal salt = bytes32(uint256(7));
    bytes32 internal account;

    function setUp() public virtual {
        vm.warp(START);
        keys = _keys(5, 0);
        token = new TestToken("Test", "TST", 6);
        vault = _newVault(address(token), CAPACITY, WINDOW_SECONDS);
        account = vault.accountOf(ann, salt);
        _fund(ann, type(uint128).max);
    }

    function _newVault(
        address listed,
        uint256 capacity,
        uint64 windowSeconds
    ) internal returns (CollateralVault) {
        address[] memory tokens = new address[](1);
        tokens[0] = listed;
        uint256[] memory capacities = new uint256[](1);
        capacities[0] = capacity;
        return new CollateralVault(
            HUB_KEY,
            _addresses(keys),
            THRESHOLD,
            OVERLAP_SECONDS,
            EXIT_DELAY_SECONDS,
            tokens,
            capacities,
            windowSeconds
        );
    }

    function _fund(
        address owner,
        uint256 amount
    ) internal {
        token.mint(owner, amount);
        vm.prank(owner);
        token.approve(address(vault), type(uint256).max);
    }

    function _lock(
        uint256 amount
    ) internal {
        vm.prank(ann);
        vault.lock(account, address(token), amount);
    }

    /// @dev Return a release (or seize) of the fixture's token from the fixture's account to bob.
    function _payment(
        MessageKind kind,
        uint256 amount
    ) internal returns (Message memory message) {
        message = _message(kind, address(vault));
        message.account = account;
        message.token = MessageLib.toWord(address(token));
        message.amount = amount;
        message.recipient = MessageLib.toWord(bob);
    }

    function _pauseMessage(
        address subject,
        uint256 flags
    ) internal returns (Message memory message) {
        message = _message(MessageKind.PAUSE, address(vault));
        message.token = MessageLib.toWord(subject);
        message.amount = flags;
    }

    function _parameter(
        bytes32 key,
        address subject,
        uint256 value
    ) internal returns (Message memory message) {
        message = _message(MessageKind.PARAMETER, address(vault));
        message.token = MessageLib.toWord(subject);
        message.recipient = key;
        message.amount = value;
    }

    function _execute(
        Message memory message
    ) internal {
        bytes memory raw = MessageLib.encode(message);
        vault.execute(raw, 0, _signatures(vault, raw, 0, _first(keys, THRESHOLD)));
    }

    /// @dev Execute with valid signatures and expect a refusal.
    function _refused(
        Message memory message,
        bytes memory expected
    ) internal {
        bytes memory raw = MessageLib.encode(message);
        bytes[] memory signatures = _signatures(vault, raw, 0, _first(keys, THRESHOLD));
        vm.expectRevert(expected);
        vault.execute(raw, 0, signatures);
    }
}
