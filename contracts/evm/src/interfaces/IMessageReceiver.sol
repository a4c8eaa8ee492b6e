// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {MessageId, MessageKind} from "../MessageLib.sol";

/// @title A contract that acts on messages of one hub, each at most once
interface IMessageReceiver {
    /* ERRORS */

    /// @notice The message comes from another hub.
    error MessageReceiverWrongOrigin(bytes32 origin, bytes32 expected);
    /// @notice The message is for another chain.
    error MessageReceiverWrongTarget(bytes32 target, bytes32 expected);
    /// @notice The message is for another contract.
    error MessageReceiverWrongVault(bytes32 vault, bytes32 expected);
    /// @notice The message is one this function does not act on.
    error MessageReceiverWrongKind(MessageKind kind);
    /// @notice The message may no longer be executed.
    error MessageReceiverExpired(MessageId messageId, uint64 expiry, uint256 timestamp);
    /// @notice The message was executed before.
    error MessageReceiverAlreadyExecuted(MessageId messageId);
    /// @notice A rotation must name the index after the current one.
    error MessageReceiverWrongSetIndex(uint256 index, uint32 expected);
    /// @notice The members and threshold given are not those the message commits to.
    error MessageReceiverWrongSetHash(bytes32 setHash, bytes32 expected);
    /// @notice Only the current set rotates, pauses, changes parameters and grants credit; one that
    /// is running out only makes payments.
    error MessageReceiverNotCurrentSet(uint32 index, uint32 currentIndex);
    /// @notice A field that the kind does not use is not zero.
    error MessageReceiverFieldNotZero(bytes32 word);

    /* FUNCTIONS */

    /// @notice Replace the guardian set: kind guardian_set, signed by the current set.
    /// @param message Canonical bytes; its token field is the hash of index, threshold and members.
    /// @param guardianSetIndex Index of the set that signed, which must be the current one.
    /// @param members New members, strictly ascending.
    /// @param threshold New threshold, a majority of the members.
    /// @param signatures 65-byte r | s | v, strictly ascending by signer.
    function rotateGuardianSet(
        bytes calldata message,
        uint32 guardianSetIndex,
        address[] calldata members,
        uint8 threshold,
        bytes[] calldata signatures
    ) external;

    /* VIEWS */

    /// @notice Return the key of the hub whose messages count here.
    function hubKey() external view returns (bytes32);

    /// @notice Return the key of this chain: keccak256("eip155:<chain id>").
    function chainKey() external view returns (bytes32);

    /// @notice Return when the last message was accepted, at first the deployment. [unix s]
    function lastAttestedAt() external view returns (uint64);

    /// @notice Return whether a message was executed here.
    function isExecuted(
        MessageId messageId
    ) external view returns (bool);
}
