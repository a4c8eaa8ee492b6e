// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IGuardianSet} from "../src/interfaces/IGuardianSet.sol";
import {IMessageReceiver} from "../src/interfaces/IMessageReceiver.sol";
import {Message, MessageId, MessageKind, MessageLib} from "../src/MessageLib.sol";
import {vm} from "./support/Cheats.sol";
import {VaultFixture} from "./support/VaultFixture.sol";

contract MessageReceiverTest is VaultFixture {
    function _rotate(
        Message memory message,
        uint256[] memory newKeys,
        uint8 threshold,
        uint32 index
    ) private {
        bytes memory raw = MessageLib.encode(message);
        uint256[] memory signers = index == 0 ? _first(keys, THRESHOLD) : _first(_keys(4, 1), 3);
        bytes[] memory signatures = _signatures(vault, raw, index, signers);
        vault.rotateGuardianSet(raw, index, _addresses(newKeys), threshold, signatures);
    }

    function _rotationRefused(
        Message memory message,
        uint256[] memory newKeys,
        bytes memory expected
    ) private {
        bytes memory raw = MessageLib.encode(message);
        bytes[] memory signatures = _signatures(vault, raw, 0, _first(keys, THRESHOLD));
        address[] memory members = _addresses(newKeys);
        vm.expectRevert(expected);
        vault.rotateGuardianSet(raw, 0, members, 3, signatures);
    }

    /// @notice The chain key is computed from the chain id, the hub key is given.
    function test_TheKeysAreThoseOfHubAndChain() external view {
        vm.assertEq(vault.hubKey(), HUB_KEY);
        vm.assertEq(vault.chainKey(), CHAIN_KEY);
        vm.assertEq(vault.lastAttestedAt(), START);
        vm.assertEq(vault.overlapSeconds(), OVERLAP_SECONDS);
    }

    /// @notice A message of another hub, for another chain or another vault is refused.
    function test_AMessageOfAnotherLaneIsRefused() external {
        bytes32 other = keccak256("other");
        Message memory message = _payment(MessageKind.RELEASE, 1);
        message.origin = other;
        _refused(
            message,
            abi.encodeWithSelector(
                IMessageReceiver.MessageReceiverWrongOrigin.selector, other, HUB_KEY
            )
        );

        message = _payment(MessageKind.RELEASE, 1);
        message.target = other;
        _refused(
            message,
            abi.encodeWithSelector(
                IMessageReceiver.MessageReceiverWrongTarget.selector, other, CHAIN_KEY
            )
        );

        message = _payment(MessageKind.RELEASE, 1);
        message.vault = bytes32(uint256(message.vault) | 1 << 200);
        _refused(
            message,
            abi.encodeWithSelector(
                IMessageReceiver.MessageReceiverWrongVault.selector,
                message.vault,
                MessageLib.toWord(address(vault))
            )
        );
    }

    /// @notice A message is good in its last second and not one later.
    function test_AMessageIsGoodUntilItsExpiry() external {
        _lock(10);
        Message memory message = _payment(MessageKind.RELEASE, 1);
        Message memory late = _payment(MessageKind.RELEASE, 1);
        vm.warp(message.expiry);
        _execute(message);

        vm.warp(uint256(late.expiry) + 1);
        _refused(
            late,
            abi.encodeWithSelector(
                IMessageReceiver.MessageReceiverExpired.selector,
                _id(late),
                late.expiry,
                uint256(late.expiry) + 1
            )
        );
    }

    /// @notice A message is executed once, and every acceptance is remembered.
    function test_AMessageIsExecutedOnce() external {
        _lock(10);
        Message memory message = _payment(MessageKind.RELEASE, 1);
        vm.assertEq(vault.isExecuted(_id(message)), false);
        vm.warp(START + 60);
        _execute(message);

        vm.assertEq(vault.isExecuted(_id(message)), true);
        vm.assertEq(vault.lastAttestedAt(), START + 60);
        _refused(
            message,
            abi.encodeWithSelector(
                IMessageReceiver.MessageReceiverAlreadyExecuted.selector, _id(message)
            )
        );
    }

    /// @notice No byte of a message may change between signing and execution.
    function testFuzz_AnAlteredMessageMovesNothing(
        uint256 position,
        uint8 flip
    ) external {
        vm.assume(flip != 0);
        _lock(10);
        bytes memory raw = MessageLib.encode(_payment(MessageKind.RELEASE, 1));
        bytes[] memory signatures = _signatures(vault, raw, 0, _first(keys, THRESHOLD));
        raw[position % raw.length] ^= bytes1(flip);

        (bool done,) = address(vault).call(abi.encodeCall(vault.execute, (raw, 0, signatures)));

        vm.assertEq(done, false);
        vm.assertEq(vault.held(address(token)), 10);
    }

    /// @notice A rotation makes the new set current; the old one may still sign for the overlap.
    function test_ARotationReplacesTheSetWithAnOverlap() external {
        _lock(10);
        uint256[] memory newKeys = _keys(4, 1);
        _rotate(_rotation(address(vault), 1, _addresses(newKeys), 3), newKeys, 3, 0);
        vm.assertEq(vault.currentGuardianSetIndex(), 1);

        _execute(_payment(MessageKind.RELEASE, 1));
        bytes memory raw = MessageLib.encode(_payment(MessageKind.RELEASE, 1));
        vault.execute(raw, 1, _signatures(vault, raw, 1, _first(newKeys, 3)));
        vm.assertEq(token.balanceOf(bob), 2);

        vm.warp(START + OVERLAP_SECONDS + 1);
        _refused(
            _payment(MessageKind.RELEASE, 1),
            abi.encodeWithSelector(
                IGuardianSet.GuardianSetOutdated.selector,
                0,
                START + OVERLAP_SECONDS,
                START + OVERLAP_SECONDS + 1
            )
        );
    }

    /// @notice Only the current set names its successor, not one that is running out.
    function test_AnOutgoingSetMayNotRotate() external {
        uint256[] memory newKeys = _keys(4, 1);
        _rotate(_rotation(address(vault), 1, _addresses(newKeys), 3), newKeys, 3, 0);
        Message memory second = _rotation(address(vault), 2, _addresses(keys), 3);

        _rotationRefused(
            second,
            keys,
            abi.encodeWithSelector(IMessageReceiver.MessageReceiverNotCurrentSet.selector, 0, 1)
        );
        _rotate(second, keys, 3, 1);
        vm.assertEq(vault.currentGuardianSetIndex(), 2);
    }

    /// @notice The members given must be those the message commits to.
    function test_OtherMembersThanSignedAreRefused() external {
        uint256[] memory newKeys = _keys(4, 1);
        Message memory message = _rotation(address(vault), 1, _addresses(newKeys), 3);
        Message memory other = _rotation(address(vault), 1, _addresses(_keys(4, 2)), 3);

        _rotationRefused(
            message,
            _keys(4, 2),
            abi.encodeWithSelector(
                IMessageReceiver.MessageReceiverWrongSetHash.selector, other.token, message.token
            )
        );
    }

    /// @notice Indexes go up by one.
    function test_ASkippedSetIndexIsRefused() external {
        uint256[] memory newKeys = _keys(4, 1);

        _rotationRefused(
            _rotation(address(vault), 2, _addresses(newKeys), 3),
            newKeys,
            abi.encodeWithSelector(IMessageReceiver.MessageReceiverWrongSetIndex.selector, 2, 1)
        );
    }

    /// @notice A rotation takes a guardian_set message and no other.
    function test_AnotherKindDoesNotRotate() external {
        uint256[] memory newKeys = _keys(4, 1);
        Message memory message = _rotation(address(vault), 1, _addresses(newKeys), 3);
        message.kind = MessageKind.PAUSE;

        _rotationRefused(
            message,
            newKeys,
            abi.encodeWithSelector(
                IMessageReceiver.MessageReceiverWrongKind.selector, MessageKind.PAUSE
            )
        );
    }

    /// @notice Fields that a rotation does not use are zero.
    function test_ARotationWithAnAccountIsRefused() external {
        uint256[] memory newKeys = _keys(4, 1);
        Message memory message = _rotation(address(vault), 1, _addresses(newKeys), 3);
        message.account = account;

        _rotationRefused(
            message,
            newKeys,
            abi.encodeWithSelector(IMessageReceiver.MessageReceiverFieldNotZero.selector, account)
        );
    }

    /// @notice A rotation is announced with its members.
    function test_ARotationIsAnnounced() external {
        uint256[] memory newKeys = _keys(4, 1);
        Message memory message = _rotation(address(vault), 1, _addresses(newKeys), 3);
        bytes memory raw = MessageLib.encode(message);
        bytes[] memory signatures = _signatures(vault, raw, 0, _first(keys, THRESHOLD));
        MessageId messageId = _id(message);

        vm.expectEmit(address(vault));
        emit IGuardianSet.GuardianSetRotated(
            messageId, 1, _addresses(newKeys), 3, START + OVERLAP_SECONDS
        );
        vault.rotateGuardianSet(raw, 0, _addresses(newKeys), 3, signatures);
    }

    /// @notice The same members under a new index are another set: signatures for the old index do
    /// not count for the new one, and a message acts once whichever set signed it.
    function test_ARotationToTheSameMembersIsAnotherSet() external {
        _lock(10);
        _rotate(_rotation(address(vault), 1, _addresses(keys), THRESHOLD), keys, THRESHOLD, 0);
        Message memory message = _payment(MessageKind.RELEASE, 1);
        bytes memory raw = MessageLib.encode(message);
        bytes[] memory old = _signatures(vault, raw, 0, _first(keys, THRESHOLD));

        (bool accepted,) = address(vault).call(abi.encodeCall(vault.execute, (raw, 1, old)));
        vm.assertEq(accepted, false);
        vault.execute(raw, 1, _signatures(vault, raw, 1, _first(keys, THRESHOLD)));
        vm.expectRevert(
            abi.encodeWithSelector(
                IMessageReceiver.MessageReceiverAlreadyExecuted.selector, _id(message)
            )
        );
        vault.execute(raw, 0, old);
    }

    /// @notice A second rotation does not lengthen the overlap of the first set.
    function test_ASecondRotationDoesNotLengthenTheFirstOverlap() external {
        uint256[] memory newKeys = _keys(4, 1);
        _rotate(_rotation(address(vault), 1, _addresses(newKeys), 3), newKeys, 3, 0);
        vm.warp(START + 100);
        _rotate(_rotation(address(vault), 2, _addresses(keys), 3), keys, 3, 1);

        (,, uint64 validUntil) = vault.guardianSet(0);
        vm.assertEq(validUntil, START + OVERLAP_SECONDS);
        (,, validUntil) = vault.guardianSet(1);
        vm.assertEq(validUntil, START + 100 + OVERLAP_SECONDS);
    }

    /// @notice A message that is refused does not count as a sign of life of the guardians.
    function test_ARefusedMessageDoesNotEndTheSilence() external {
        _lock(10);
        Message memory message = _payment(MessageKind.RELEASE, 1);
        bytes memory raw = MessageLib.encode(message);
        bytes[] memory signatures = _signatures(vault, raw, 0, _first(keys, THRESHOLD));
        vault.execute(raw, 0, signatures);
        vm.warp(START + 60);

        (bool accepted,) = address(vault).call(abi.encodeCall(vault.execute, (raw, 0, signatures)));
        vm.assertEq(accepted, false);
        raw = MessageLib.encode(_payment(MessageKind.RELEASE, 11));
        signatures = _signatures(vault, raw, 0, _first(keys, THRESHOLD));
        (accepted,) = address(vault).call(abi.encodeCall(vault.execute, (raw, 0, signatures)));
        vm.assertEq(accepted, false);
        vm.assertEq(vault.lastAttestedAt(), START);
    }
}
