// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {GuardianSet} from "../../src/GuardianSet.sol";
import {MessageId} from "../../src/MessageLib.sol";

/// @notice Opens the internal functions to the tests.
contract GuardianSetOpen is GuardianSet {
    constructor(
        address[] memory members,
        uint8 threshold,
        uint64 overlapSeconds_
    ) GuardianSet(members, threshold, overlapSeconds_) {}

    function verify(
        MessageId messageId,
        uint32 index,
        bytes[] calldata signatures
    ) external view {
        _verifyAttestation(messageId, index, signatures);
    }

    function replace(
        address[] calldata members,
        uint8 threshold
    ) external {
        _replaceGuardianSet(MessageId.wrap(0), members, threshold);
    }

    function setHash(
        uint32 index,
        uint8 threshold,
        address[] calldata members
    ) external pure returns (bytes32) {
        return _setHash(index, threshold, members);
    }
}
