// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

import {GuardianSet} from "./GuardianSet.sol";
import {IMessageReceiver} from "./interfaces/IMessageReceiver.sol";
import {Message, MessageId, MessageKind, MessageLib} from "./MessageLib.sol";

/// @title Checks every message shares: right lane, in time, attested, once
abstract contract MessageReceiver is GuardianSet, IMessageReceiver {
    /* STORAGE */

    /// @inheritdoc IMessageReceiver
    bytes32 public immutable hubKey;
    /// @inheritdoc IMessageReceiver
    bytes32 public immutable chainKey;

    /// @inheritdoc IMessageReceiver
    uint64 public lastAttestedAt;
    mapping(MessageId messageId => bool) private _isExecuted;

    /* CONSTRUCTOR */

    constructor(
        bytes32 hubKey_,
        address[] memory members,
        uint8 threshold,
        uint64 overlapSeconds_
    ) GuardianSet(members, threshold, overlapSeconds_) {
        hubKey = hubKey_;
        chainKey = MessageLib.evmChainKey(Strings.toString(block.chainid));
        lastAttestedAt = uint64(block.timestamp);
    }

    /* EXTERNAL */

    /// @inheritdoc IMessageReceiver
    function rotateGuardianSet(
        bytes calldata message,
        uint32 guardianSetIndex,
        address[] calldata members,
        uint8 threshold,
        bytes[] calldata signatures
    ) external {
        uint32 currentIndex = currentGuardianSetIndex;
        _requireCurrentSet(guardianSetIndex);
        (Message memory decoded, MessageId messageId) =
            _accept(message, guardianSetIndex, signatures);
        require(decoded.kind == MessageKind.GUARDIAN_SET, MessageReceiverWrongKind(decoded.kind));
        require(
            decoded.amount == uint256(currentIndex) + 1,
            MessageReceiverWrongSetIndex(decoded.amount, currentIndex + 1)
        );
        _requireZero(decoded.account);
        _requireZero(decoded.recipient);
        bytes32 setHash = _setHash(currentIndex + 1, threshold, members);
        require(decoded.token == setHash, MessageReceiverWrongSetHash(setHash, decoded.token));
        _replaceGuardianSet(messageId, members, threshold);
    }

    /* INTERNAL */

    /// @dev Check a message and mark it executed; the caller checks the kind and acts.
    function _accept(
        bytes calldata message,
        uint32 guardianSetIndex,
        bytes[] calldata signatures
    ) internal returns (Message memory decoded, MessageId messageId) {
        decoded = MessageLib.decode(message);
        messageId = MessageLib.idOf(message);
        bytes32 self = MessageLib.toWord(address(this));
        require(decoded.origin == hubKey, MessageReceiverWrongOrigin(decoded.origin, hubKey));
        require(decoded.target == chainKey, MessageReceiverWrongTarget(decoded.target, chainKey));
        require(decoded.vault == self, MessageReceiverWrongVault(decoded.vault, self));
        require(
            block.timestamp <= decoded.expiry,
            MessageReceiverExpired(messageId, decoded.expiry, block.timestamp)
        );
        require(!_isExecuted[messageId], MessageReceiverAlreadyExecuted(messageId));
        _verifyAttestation(messageId, guardianSetIndex, signatures);
        _isExecuted[messageId] = true;
        lastAttestedAt = uint64(block.timestamp);
    }

    /// @dev Revert for a set that is running out. In its overlap it may still make payments, which
    /// are over when the overlap is; nothing that stays may rest on its word.
    function _requireCurrentSet(
        uint32 guardianSetIndex
    ) internal view {
        uint32 currentIndex = currentGuardianSetIndex;
        require(
            guardianSetIndex == currentIndex,
            MessageReceiverNotCurrentSet(guardianSetIndex, currentIndex)
        );
    }

    /// @dev Revert if a field the kind does not use says something.
    function _requireZero(
        bytes32 word
    ) internal pure {
        require(word == 0, MessageReceiverFieldNotZero(word));
    }

    /* VIEWS */

    /// @inheritdoc IMessageReceiver
    function isExecuted(
        MessageId messageId
    ) external view returns (bool) {
        return _isExecuted[messageId];
    }
}
