// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IGuardianSet} from "./interfaces/IGuardianSet.sol";
import {MessageId, MessageLib} from "./MessageLib.sol";

/// @title Base of every contract that acts on M-of-N attestations
abstract contract GuardianSet is EIP712, IGuardianSet {
    /* TYPES */

    struct Set {
        uint8 threshold; // 0 where no set exists
        uint64 validUntil; // [unix s], type(uint64).max while current
        address[] members; // strictly ascending
    }

    /* STORAGE */

    uint256 internal constant GUARDIANS_MAX = 19;
    uint64 internal constant OVERLAP_SECONDS_MAX = 30 days;
    uint256 private constant SIGNATURE_BYTES = 65;
    // Half of the order of secp256k1: a larger s is the same signature written another way.
    uint256 private constant LOW_S_MAX =
        0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @inheritdoc IGuardianSet
    uint64 public immutable overlapSeconds;

    /// @inheritdoc IGuardianSet
    uint32 public currentGuardianSetIndex;
    mapping(uint32 index => Set) private _sets;
    mapping(uint32 index => mapping(address signer => bool)) private _isMember;

    /* CONSTRUCTOR */

    constructor(
        address[] memory members,
        uint8 threshold,
        uint64 overlapSeconds_
    ) EIP712("CollateralRelayer", "1") {
        require(
            overlapSeconds_ <= OVERLAP_SECONDS_MAX,
            GuardianSetOverlapTooLong(overlapSeconds_, OVERLAP_SECONDS_MAX)
        );
        overlapSeconds = overlapSeconds_;
        _store(0, members, threshold);
        emit GuardianSetRotated(MessageId.wrap(0), 0, members, threshold, 0);
    }

    /* INTERNAL */

    /// @dev Make a set current and let the one before it run out.
    function _replaceGuardianSet(
        MessageId messageId,
        address[] memory members,
        uint8 threshold
    ) internal {
        uint32 previousIndex = currentGuardianSetIndex;
        uint64 previousValidUntil = uint64(block.timestamp) + overlapSeconds;
        _sets[previousIndex].validUntil = previousValidUntil;
        currentGuardianSetIndex = previousIndex + 1;
        _store(previousIndex + 1, members, threshold);
        emit GuardianSetRotated(
            messageId, previousIndex + 1, members, threshold, previousValidUntil
        );
    }

    /// @dev Revert unless at least the threshold of the named set signed the message.
    function _verifyAttestation(
        MessageId messageId,
        uint32 guardianSetIndex,
        bytes[] calldata signatures
    ) internal view {
        Set storage set = _sets[guardianSetIndex];
        uint8 threshold = set.threshold;
        require(threshold != 0, GuardianSetUnknown(guardianSetIndex, currentGuardianSetIndex));
        require(
            block.timestamp <= set.validUntil,
            GuardianSetOutdated(guardianSetIndex, set.validUntil, block.timestamp)
        );
        require(
            signatures.length >= threshold, GuardianSetQuorumMissing(signatures.length, threshold)
        );
        bytes32 digest = attestationDigest(messageId, guardianSetIndex);
        address previous = address(0);
        for (uint256 position = 0; position < signatures.length; position++) {
            address signer = _recover(digest, signatures[position], position);
            require(signer > previous, GuardianSetSignersNotAscending(position, previous, signer));
            require(
                _isMember[guardianSetIndex][signer],
                GuardianSetNotAMember(signer, guardianSetIndex)
            );
            previous = signer;
        }
    }

    /// @dev Return the hash a rotation message carries for a set.
    function _setHash(
        uint32 index,
        uint8 threshold,
        address[] memory members
    ) internal pure returns (bytes32) {
        // Packed arrays keep 32 bytes for each address, so every member is left-padded.
        return keccak256(abi.encodePacked(index, threshold, members));
    }

    /// @dev Check a set and store it as current.
    function _store(
        uint32 index,
        address[] memory members,
        uint8 threshold
    ) private {
        uint256 size = members.length;
        require(size != 0 && size <= GUARDIANS_MAX, GuardianSetSizeOutOfRange(size, GUARDIANS_MAX));
        require(
            threshold > size / 2 && threshold <= size,
            GuardianSetThresholdOutOfRange(threshold, size / 2 + 1, size)
        );
        address previous = address(0);
        for (uint256 position = 0; position < size; position++) {
            address member = members[position];
            require(member > previous, GuardianSetMembersNotAscending(position, previous, member));
            _isMember[index][member] = true;
            previous = member;
        }
        _sets[index] = Set({threshold: threshold, validUntil: type(uint64).max, members: members});
    }

    /// @dev Return who signed a digest; exactly one encoding of a signature is accepted.
    function _recover(
        bytes32 digest,
        bytes calldata signature,
        uint256 position
    ) private pure returns (address signer) {
        require(
            signature.length == SIGNATURE_BYTES,
            GuardianSetSignatureLength(position, signature.length)
        );
        bytes32 r = bytes32(signature[0:32]);
        bytes32 s = bytes32(signature[32:64]);
        uint8 v = uint8(signature[64]);
        require(
            uint256(s) <= LOW_S_MAX && (v == 27 || v == 28),
            GuardianSetSignatureMalformed(position)
        );
        signer = ecrecover(digest, v, r, s);
        require(signer != address(0), GuardianSetSignatureMalformed(position));
    }

    /* VIEWS */

    /// @inheritdoc IGuardianSet
    function guardianSet(
        uint32 index
    ) external view returns (address[] memory members, uint8 threshold, uint64 validUntil) {
        Set storage set = _sets[index];
        require(set.threshold != 0, GuardianSetUnknown(index, currentGuardianSetIndex));
        return (set.members, set.threshold, set.validUntil);
    }

    /// @inheritdoc IGuardianSet
    function attestationDigest(
        MessageId messageId,
        uint32 guardianSetIndex
    ) public view returns (bytes32) {
        return _hashTypedDataV4(MessageLib.attestationHash(messageId, guardianSetIndex));
    }
}
