// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Message, MessageId, MessageKind, MessageLib} from "../src/MessageLib.sol";
import {vm} from "./support/Cheats.sol";

/// @notice Calls the library from outside, with calldata.
contract MessageLibCaller {
    function recode(
        bytes calldata message
    ) external pure returns (bytes memory) {
        return MessageLib.encode(MessageLib.decode(message));
    }

    function toAddress(
        bytes32 word
    ) external pure returns (address) {
        return MessageLib.toAddress(word);
    }
}

contract MessageLibTest {
    MessageLibCaller private caller = new MessageLibCaller();

    function _raw(
        uint8 version,
        uint8 kind
    ) private pure returns (bytes memory) {
        return bytes.concat(abi.encodePacked(version, kind), new bytes(276));
    }

    /// @notice Decoding and encoding any valid bytes gives the same bytes back.
    function testFuzz_DecodingThenEncodingChangesNothing(
        uint8 kindSeed,
        bytes32[7] calldata words,
        uint64 nonce,
        uint256 amount,
        uint64 expiry,
        uint32 epoch
    ) external view {
        uint8 kind = kindSeed % 6 + 1;
        bytes memory head =
            abi.encodePacked(uint8(1), kind, words[0], words[1], words[2], nonce, words[3]);
        bytes memory raw = bytes.concat(
            head, abi.encodePacked(words[4], amount, words[5], expiry, epoch, words[6])
        );

        bytes memory again = caller.recode(raw);

        vm.assertEq(raw.length, 278);
        vm.assertEq(again, raw);
    }

    /// @notice A message that is one byte short, long or empty is refused.
    function testFuzz_AnyOtherLengthIsRefused(
        uint16 length
    ) external {
        vm.assume(length != 278 && length < 2000);
        bytes memory raw = new bytes(length);

        vm.expectRevert(
            abi.encodeWithSelector(MessageLib.MessageLibWrongLength.selector, length, 278)
        );
        caller.recode(raw);
    }

    /// @notice Only version 1 is understood.
    function testFuzz_AnyOtherVersionIsRefused(
        uint8 version
    ) external {
        vm.assume(version != 1);

        vm.expectRevert(
            abi.encodeWithSelector(MessageLib.MessageLibWrongVersion.selector, version, 1)
        );
        caller.recode(_raw(version, 1));
    }

    /// @notice Kinds are 1 to 6.
    function testFuzz_AnUnknownKindIsRefused(
        uint8 kind
    ) external {
        vm.assume(kind == 0 || kind > 6);

        vm.expectRevert(abi.encodeWithSelector(MessageLib.MessageLibUnknownKind.selector, kind));
        caller.recode(_raw(1, kind));
    }

    /// @notice A word with anything above 160 bits is not an address.
    function testFuzz_AWordWithHighBitsIsNotAnAddress(
        bytes32 word
    ) external {
        vm.assume(uint256(word) >> 160 != 0);

        vm.expectRevert(abi.encodeWithSelector(MessageLib.MessageLibNotAnAddress.selector, word));
        caller.toAddress(word);
    }

    /// @notice An address survives the way to a word and back.
    function testFuzz_AnAddressSurvivesPadding(
        address account
    ) external view {
        vm.assertEq(caller.toAddress(MessageLib.toWord(account)), account);
    }

    /// @notice The key of a chain is the hash of its CAIP-2 name.
    function test_AChainKeyIsTheHashOfTheChainName() external pure {
        vm.assertEq(MessageLib.evmChainKey("31337"), keccak256("eip155:31337"));
    }

    /// @notice The id is the hash of the bytes.
    function test_AnIdIsTheHashOfTheBytes() external pure {
        bytes memory raw = bytes.concat(hex"0101", new bytes(276));

        MessageId messageId = MessageLib.idOf(raw);

        vm.assertEq(MessageId.unwrap(messageId), keccak256(raw));
    }
}
