// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {MessageId} from "../MessageLib.sol";

/// @title Guardian sets and their quorum
/// @notice A set is named by its index. Exactly one is current; the ones before it stay valid for
/// an overlap, so that payments signed just before a rotation still arrive.
interface IGuardianSet {
    /* ERRORS */

    /// @notice A set needs 1 to 19 members.
    error GuardianSetSizeOutOfRange(uint256 size, uint256 sizeMax);
    /// @notice A threshold must be a majority, so that any two quorums share a member, and at most
    /// n.
    error GuardianSetThresholdOutOfRange(
        uint8 threshold, uint256 thresholdMin, uint256 thresholdMax
    );
    /// @notice Members are strictly ascending and not zero.
    error GuardianSetMembersNotAscending(uint256 position, address previous, address member);
    /// @notice The overlap is longer than the contract allows.
    error GuardianSetOverlapTooLong(uint64 overlapSeconds, uint64 overlapSecondsMax);
    /// @notice No set has this index.
    error GuardianSetUnknown(uint32 index, uint32 currentIndex);
    /// @notice The set was replaced and its overlap has passed.
    error GuardianSetOutdated(uint32 index, uint64 validUntil, uint256 timestamp);
    /// @notice Fewer signatures than the set's threshold.
    error GuardianSetQuorumMissing(uint256 signatures, uint8 threshold);
    /// @notice A signature is r | s | v, 65 bytes.
    error GuardianSetSignatureLength(uint256 position, uint256 length);
    /// @notice A signature has a high s, a v other than 27 or 28, or recovers to nobody.
    error GuardianSetSignatureMalformed(uint256 position);
    /// @notice Signers are strictly ascending by address; this also refuses a signer twice.
    error GuardianSetSignersNotAscending(uint256 position, address previous, address signer);
    /// @notice The signer is not in the set the message was signed for.
    error GuardianSetNotAMember(address signer, uint32 index);

    /* EVENTS */

    /// @notice A new set became current; the one before it is valid until `previousValidUntil`.
    event GuardianSetRotated(
        MessageId indexed messageId,
        uint32 indexed index,
        address[] members,
        uint8 threshold,
        uint64 previousValidUntil
    );

    /* VIEWS */

    /// @notice Return the index of the current set.
    function currentGuardianSetIndex() external view returns (uint32);

    /// @notice Return one set; `validUntil` is type(uint64).max for the current one.
    function guardianSet(
        uint32 index
    ) external view returns (address[] memory members, uint8 threshold, uint64 validUntil);

    /// @notice Return for how long a replaced set stays valid. [s]
    function overlapSeconds() external view returns (uint64);

    /// @notice Return the digest the guardians of a set sign for a message to this contract.
    function attestationDigest(
        MessageId messageId,
        uint32 guardianSetIndex
    ) external view returns (bytes32);
}
