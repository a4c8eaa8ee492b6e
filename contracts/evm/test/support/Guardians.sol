// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IGuardianSet} from "../../src/interfaces/IGuardianSet.sol";
import {Message, MessageId, MessageKind, MessageLib} from "../../src/MessageLib.sol";
import {Cheats, vm} from "./Cheats.sol";

/// @notice Keys of guardians, and messages signed with them.
abstract contract Guardians {
    bytes32 internal constant HUB_KEY = keccak256("hub:devnet");
    bytes32 internal constant CHAIN_KEY = keccak256("eip155:31337");
    uint256 internal constant SECP256K1_ORDER =
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint64 internal constant START = 1_800_000_000; // [unix s]
    uint64 internal constant OVERLAP_SECONDS = 3600;

    uint64 private _nonce;

    /// @dev Return n keys whose addresses ascend; another salt gives other keys.
    function _keys(
        uint256 count,
        uint256 salt
    ) internal pure returns (uint256[] memory keys) {
        keys = new uint256[](count);
        for (uint256 i = 0; i < count; i++) {
            uint256 key = uint256(keccak256(abi.encode("guardian", salt, i))) >> 1;
            uint256 slot = i;
            while (slot > 0 && vm.addr(keys[slot - 1]) > vm.addr(key)) {
                keys[slot] = keys[slot - 1];
                slot--;
            }
            keys[slot] = key;
        }
    }

    function _addresses(
        uint256[] memory keys
    ) internal pure returns (address[] memory members) {
        members = new address[](keys.length);
        for (uint256 i = 0; i < keys.length; i++) {
            members[i] = vm.addr(keys[i]);
        }
    }

    /// @dev Return the first `count` keys.
    function _first(
        uint256[] memory keys,
        uint256 count
    ) internal pure returns (uint256[] memory chosen) {
        chosen = new uint256[](count);
        for (uint256 i = 0; i < count; i++) {
            chosen[i] = keys[i];
        }
    }

    function _signatures(
        IGuardianSet target,
        bytes memory raw,
        uint32 index,
        uint256[] memory keys
    ) internal view returns (bytes[] memory signatures) {
        bytes32 digest = target.attestationDigest(MessageLib.idOf(raw), index);
        signatures = new bytes[](keys.length);
        for (uint256 i = 0; i < keys.length; i++) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[i], digest);
            signatures[i] = abi.encodePacked(r, s, v);
        }
    }

    /// @dev Return a message with the right lane, a fresh nonce and an hour to live.
    function _message(
        MessageKind kind,
        address target
    ) internal returns (Message memory message) {
        message.kind = kind;
        message.origin = HUB_KEY;
        message.target = CHAIN_KEY;
        message.vault = MessageLib.toWord(target);
        message.nonce = ++_nonce;
        message.expiry = uint64(block.timestamp + 1 hours);
        message.epoch = 1;
        message.evidence = keccak256("evidence");
    }

    /// @dev Return a rotation message for a set.
    function _rotation(
        address target,
        uint32 index,
        address[] memory members,
        uint8 threshold
    ) internal returns (Message memory message) {
        bytes memory packed = abi.encodePacked(index, threshold);
        for (uint256 i = 0; i < members.length; i++) {
            packed = bytes.concat(packed, MessageLib.toWord(members[i]));
        }
        message = _message(MessageKind.GUARDIAN_SET, target);
        message.token = keccak256(packed);
        message.amount = index;
    }

    function _id(
        Message memory message
    ) internal pure returns (MessageId) {
        return MessageLib.idOf(MessageLib.encode(message));
    }
}
