// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {MessageId, MessageLib} from "../src/MessageLib.sol";
import {vm} from "./support/Cheats.sol";
import {GuardianSetOpen} from "./support/GuardianSetOpen.sol";

/// @notice What Python refuses is refused here too, each vector with the error it names.
contract RefusedVectorsTest {
    string private constant FILE = "../vectors/refused.json";
    uint256 private constant CLASSES = 28;

    string private json;
    GuardianSetOpen private set;

    function setUp() external {
        vm.warp(1_800_000_000);
        json = vm.readFile(FILE);
        bytes32[] memory words = vm.parseJsonBytes32Array(json, ".guardianSet.members");
        address[] memory members = new address[](words.length);
        for (uint256 i = 0; i < words.length; i++) {
            members[i] = MessageLib.toAddress(words[i]);
        }
        uint8 threshold = uint8(vm.parseJsonUint(json, ".guardianSet.threshold"));
        address where = MessageLib.toAddress(vm.parseJsonBytes32(json, ".contract"));
        vm.chainId(vm.parseJsonUint(json, ".chainNumber"));
        vm.etch(
            where,
            bytes.concat(
                type(GuardianSetOpen).creationCode, abi.encode(members, threshold, uint64(60))
            )
        );
        (bool created, bytes memory runtime) = where.call("");
        vm.assertTrue(created, "the constructor refused");
        vm.etch(where, runtime);
        set = GuardianSetOpen(where);
    }

    /// @dev Verify the attestation at a path and return whether it passed, or the revert's bytes.
    function _verdict(
        string memory path
    ) private view returns (bool accepted, bytes memory revertData) {
        MessageId id = MessageId.wrap(vm.parseJsonBytes32(json, string.concat(path, ".id")));
        uint32 index = uint32(vm.parseJsonUint(json, string.concat(path, ".guardianSetIndex")));
        bytes[] memory signatures =
            vm.parseJsonBytesArray(json, string.concat(path, ".signatures"));
        try set.verify(id, index, signatures) {
            return (true, "");
        } catch (bytes memory reason) {
            return (false, reason);
        }
    }

    /// @notice What all vectors are changed from is accepted.
    function test_TheUnchangedAttestationIsAccepted() external view {
        (bool accepted,) = _verdict(".good");

        vm.assertTrue(accepted, "the good vector was refused");
    }

    /// @notice Each class of change is refused with the error that the vector names.
    function test_R17_EveryRefusedVectorIsRefusedWithItsError() external view {
        uint256 count = 0;
        string memory path = ".refused[0]";
        while (vm.keyExistsJson(json, path)) {
            string memory name = vm.parseJsonString(json, string.concat(path, ".name"));
            string memory error_ = vm.parseJsonString(json, string.concat(path, ".error"));

            (bool accepted, bytes memory revertData) = _verdict(path);

            vm.assertTrue(!accepted, string.concat("accepted: ", name));
            vm.assertTrue(bytes4(revertData) == bytes4(keccak256(bytes(error_))), name);
            count++;
            path = string.concat(".refused[", vm.toString(count), "]");
        }
        vm.assertEq(count, CLASSES, "every class is in the file");
    }
}
