// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice keccak256 of a message's canonical bytes.
type MessageId is bytes32;

/// @notice What a message asks for; the values are those of the canonical bytes.
enum MessageKind {
    NONE,
    RELEASE,
    SEIZE,
    CREDIT_GRANT,
    GUARDIAN_SET,
    PAUSE,
    PARAMETER
}

/// @notice One message, field by field, in the order of its canonical bytes.
struct Message {
    MessageKind kind;
    bytes32 origin; // chain key of the hub
    bytes32 target; // chain key the message is for
    bytes32 vault; // contract the message is for, left-padded
    uint64 nonce; // counter on the lane (origin, target)
    bytes32 account; // margin account
    bytes32 token; // left-padded address
    uint256 amount; // [token base units], or the meaning its kind gives it
    bytes32 recipient; // left-padded address, or the meaning its kind gives it
    uint64 expiry; // [unix s], last second at which it may be executed
    uint32 epoch; // parameter epoch the decision was taken in
    bytes32 evidence; // hash of what the guardians checked
}

/// @title Canonical bytes of a message
/// @notice Fixed width, big-endian, 278 bytes; the same in Python and in the Solana program:
/// version u8 | kind u8 | origin b32 | target b32 | vault b32 | nonce u64 | account b32 | token b32
/// | amount u256 | recipient b32 | expiry u64 | epoch u32 | evidence b32.
library MessageLib {
    /* CONSTANTS */

    uint256 internal constant LENGTH = 278; // [bytes]
    uint8 internal constant VERSION = 1;
    bytes32 internal constant ATTESTATION_TYPEHASH =
        keccak256("Attestation(bytes32 messageId,uint32 guardianSetIndex)");

    /* ERRORS */

    /// @notice The message does not have the fixed length.
    error MessageLibWrongLength(uint256 length, uint256 expected);
    /// @notice The message was written for another version of the format.
    error MessageLibWrongVersion(uint8 version, uint8 expected);
    /// @notice The kind is none of those the format knows.
    error MessageLibUnknownKind(uint8 kind);
    /// @notice A 32-byte word that must hold an EVM address has other bits set.
    error MessageLibNotAnAddress(bytes32 word);

    /* INTERNAL */

    /// @notice Read the canonical bytes; revert on a wrong length, version or kind.
    function decode(
        bytes calldata message
    ) internal pure returns (Message memory decoded) {
        require(message.length == LENGTH, MessageLibWrongLength(message.length, LENGTH));
        uint8 version = uint8(message[0]);
        require(version == VERSION, MessageLibWrongVersion(version, VERSION));
        uint8 kind = uint8(message[1]);
        require(kind != 0 && kind <= uint8(type(MessageKind).max), MessageLibUnknownKind(kind));
        decoded.kind = MessageKind(kind);
        decoded.origin = bytes32(message[2:34]);
        decoded.target = bytes32(message[34:66]);
        decoded.vault = bytes32(message[66:98]);
        decoded.nonce = uint64(bytes8(message[98:106]));
        decoded.account = bytes32(message[106:138]);
        decoded.token = bytes32(message[138:170]);
        decoded.amount = uint256(bytes32(message[170:202]));
        decoded.recipient = bytes32(message[202:234]);
        decoded.expiry = uint64(bytes8(message[234:242]));
        decoded.epoch = uint32(bytes4(message[242:246]));
        decoded.evidence = bytes32(message[246:278]);
    }

    /// @notice Write the canonical bytes; the inverse of `decode`.
    function encode(
        Message memory message
    ) internal pure returns (bytes memory) {
        bytes memory head = abi.encodePacked(
            VERSION,
            uint8(message.kind),
            message.origin,
            message.target,
            message.vault,
            message.nonce,
            message.account
        );
        return abi.encodePacked(
            head,
            message.token,
            message.amount,
            message.recipient,
            message.expiry,
            message.epoch,
            message.evidence
        );
    }

    /// @notice Return the id of a message: keccak256 of its canonical bytes.
    function idOf(
        bytes memory message
    ) internal pure returns (MessageId) {
        return MessageId.wrap(keccak256(message));
    }

    /// @notice Return the EIP-712 struct hash that guardians of one set sign for a message.
    function attestationHash(
        MessageId id,
        uint32 guardianSetIndex
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(ATTESTATION_TYPEHASH, MessageId.unwrap(id), guardianSetIndex));
    }

    /// @notice Return the key of an EVM chain: keccak256 of its CAIP-2 name.
    function evmChainKey(
        string memory chainIdDecimal
    ) internal pure returns (bytes32) {
        return keccak256(bytes(string.concat("eip155:", chainIdDecimal)));
    }

    /// @notice Return the address a left-padded word holds; revert if other bits are set.
    function toAddress(
        bytes32 word
    ) internal pure returns (address) {
        require(uint256(word) >> 160 == 0, MessageLibNotAnAddress(word));
        return address(uint160(uint256(word)));
    }

    /// @notice Return an address as a left-padded word.
    function toWord(
        address account
    ) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }
}
