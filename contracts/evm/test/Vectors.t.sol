// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {CollateralVault} from "../src/CollateralVault.sol";
import {CreditLine} from "../src/CreditLine.sol";
import {TestToken} from "../src/devnet/TestToken.sol";
import {Message, MessageId, MessageKind, MessageLib} from "../src/MessageLib.sol";
import {vm} from "./support/Cheats.sol";
import {GuardianSetOpen} from "./support/GuardianSetOpen.sol";

/// @notice Holds the contracts to the vectors that Python and the Solana program are held to.
contract VectorsTest {
    string private constant FILE = "../vectors/messages.json";
    uint256 private constant KINDS = 6;

    string private json;
    bytes32 private hubKey;
    uint256 private messageCount;
    address[] private members; // of set 0
    uint8 private threshold; // of set 0

    function setUp() external {
        vm.warp(1_800_000_000);
        json = vm.readFile(FILE);
        hubKey = keccak256(bytes(vm.parseJsonString(json, ".hub")));
        messageCount = _count(".messages");
        members = _members(0);
        threshold = uint8(vm.parseJsonUint(json, ".guardianSets[0].threshold"));
    }

    function _at(
        string memory list,
        uint256 position
    ) private pure returns (string memory) {
        return string.concat(list, "[", vm.toString(position), "]");
    }

    function _count(
        string memory list
    ) private view returns (uint256 count) {
        while (vm.keyExistsJson(json, _at(list, count))) {
            count++;
        }
    }

    function _word(
        string memory path
    ) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, path);
    }

    function _number(
        string memory path
    ) private view returns (uint256) {
        return vm.parseJsonUint(json, path);
    }

    function _members(
        uint256 set
    ) private view returns (address[] memory found) {
        string memory path = string.concat(_at(".guardianSets", set), ".members");
        bytes32[] memory words = vm.parseJsonBytes32Array(json, path);
        found = new address[](words.length);
        for (uint256 i = 0; i < words.length; i++) {
            found[i] = MessageLib.toAddress(words[i]);
        }
    }

    function _fields(
        string memory path
    ) private view returns (Message memory message) {
        message.kind = MessageKind(_number(string.concat(path, ".kind")));
        message.origin = _word(string.concat(path, ".origin"));
        message.target = _word(string.concat(path, ".target"));
        message.vault = _word(string.concat(path, ".vault"));
        message.nonce = uint64(_number(string.concat(path, ".nonce")));
        message.account = _word(string.concat(path, ".account"));
        message.token = _word(string.concat(path, ".token"));
        message.amount = _number(string.concat(path, ".amount"));
        message.recipient = _word(string.concat(path, ".recipient"));
        message.expiry = uint64(_number(string.concat(path, ".expiry")));
        message.epoch = uint32(_number(string.concat(path, ".epoch")));
        message.evidence = _word(string.concat(path, ".evidence"));
    }

    function _raw(
        string memory path
    ) private view returns (bytes memory) {
        return vm.parseJsonBytes(json, string.concat(path, ".bytes"));
    }

    function _attested(
        string memory path
    ) private view returns (bytes memory raw, uint32 index, bytes[] memory signatures) {
        raw = _raw(path);
        index = uint32(_number(string.concat(path, ".guardianSetIndex")));
        signatures = vm.parseJsonBytesArray(json, string.concat(path, ".signatures"));
    }

    /// @dev Return the path of the message with a name.
    function _named(
        string memory name
    ) private view returns (string memory path) {
        for (uint256 i = 0; i < messageCount; i++) {
            path = _at(".messages", i);
            string memory found = vm.parseJsonString(json, string.concat(path, ".name"));
            if (keccak256(bytes(found)) == keccak256(bytes(name))) {
                return path;
            }
        }
        vm.assertTrue(false, string.concat("no vector is named ", name));
    }

    /// @dev Run a constructor at a fixed address, on a fixed chain.
    function _place(
        address where,
        uint256 chain,
        bytes memory creation
    ) private {
        vm.chainId(chain);
        vm.etch(where, creation);
        (bool created, bytes memory runtime) = where.call("");
        vm.assertTrue(created, "the constructor refused");
        vm.etch(where, runtime);
    }

    function _placeVault(
        string memory path
    ) private returns (CollateralVault vault, TestToken token) {
        Message memory message = _fields(path);
        vault = CollateralVault(MessageLib.toAddress(message.vault));
        address tokenAddress =
            MessageLib.toAddress(_word(string.concat(_named("release"), ".token")));
        uint256 chain = _number(string.concat(path, ".chainNumber"));
        address[] memory tokens = new address[](1);
        tokens[0] = tokenAddress;
        uint256[] memory capacities = new uint256[](1);
        capacities[0] = type(uint256).max;
        bytes memory settings = abi.encode(
            hubKey, members, threshold, uint64(60), uint64(60), tokens, capacities, uint64(60)
        );
        _place(address(vault), chain, bytes.concat(type(CollateralVault).creationCode, settings));
        token = TestToken(tokenAddress);
        settings = abi.encode("Test", "TST", uint8(18));
        _place(tokenAddress, chain, bytes.concat(type(TestToken).creationCode, settings));
    }

    /// @notice Fields give the bytes, bytes give the fields, and the id is their hash.
    function test_EveryMessageHasTheSameBytesAndId() external view {
        vm.assertGe(messageCount, KINDS, "every kind has a vector");
        for (uint256 i = 0; i < messageCount; i++) {
            string memory path = _at(".messages", i);
            bytes memory raw = _raw(path);

            vm.assertEq(MessageLib.encode(_fields(path)), raw);
            vm.assertEq(this.recode(raw), raw);
            bytes32 id = MessageId.unwrap(MessageLib.idOf(raw));
            vm.assertEq(id, _word(string.concat(path, ".id")));
        }
    }

    /// @dev External, so that the bytes are calldata.
    function recode(
        bytes calldata raw
    ) external pure returns (bytes memory) {
        return MessageLib.encode(MessageLib.decode(raw));
    }

    /// @notice Domain and digest are the same, and the signatures are a quorum's.
    function test_EveryMessageHasTheSameDigestAndSigners() external {
        for (uint256 i = 0; i < messageCount; i++) {
            string memory path = _at(".messages", i);
            (bytes memory raw, uint32 index, bytes[] memory signatures) = _attested(path);
            address where = MessageLib.toAddress(_fields(path).vault);
            _place(
                where,
                _number(string.concat(path, ".chainNumber")),
                bytes.concat(
                    type(GuardianSetOpen).creationCode, abi.encode(members, threshold, uint64(60))
                )
            );
            GuardianSetOpen set = GuardianSetOpen(where);

            MessageId messageId = MessageLib.idOf(raw);
            vm.assertEq(
                set.attestationDigest(messageId, index), _word(string.concat(path, ".digest"))
            );
            set.verify(messageId, index, signatures);
        }
    }

    /// @notice Chain keys are the same.
    function test_EveryChainHasTheSameKey() external view {
        uint256 count = _count(".chains");
        vm.assertGe(count, 2, "the hub and a chain");
        for (uint256 i = 0; i < count; i++) {
            string memory path = _at(".chains", i);
            string memory name = vm.parseJsonString(json, string.concat(path, ".chain"));
            vm.assertEq(keccak256(bytes(name)), _word(string.concat(path, ".key")));
        }
    }

    /// @notice Set hashes are the same.
    function test_EveryGuardianSetHasTheSameHash() external {
        GuardianSetOpen set = new GuardianSetOpen(members, threshold, 60);
        uint256 count = _count(".guardianSets");
        vm.assertGe(count, 2, "a set and its successor");
        for (uint256 i = 0; i < count; i++) {
            string memory path = _at(".guardianSets", i);
            uint32 index = uint32(_number(string.concat(path, ".index")));
            uint8 needed = uint8(_number(string.concat(path, ".threshold")));
            vm.assertEq(
                set.setHash(index, needed, _members(i)), _word(string.concat(path, ".hash"))
            );
        }
    }

    /// @notice Accounts are the same, so an owner finds theirs at the exit.
    function test_EveryAccountIsTheSame() external {
        (CollateralVault vault,) = _placeVault(_named("release"));
        uint256 count = _count(".accounts");
        vm.assertGe(count, 1, "an account");
        for (uint256 i = 0; i < count; i++) {
            string memory path = _at(".accounts", i);
            address opener = MessageLib.toAddress(_word(string.concat(path, ".opener")));
            bytes32 salt = _word(string.concat(path, ".salt"));
            vm.assertEq(vault.accountOf(opener, salt), _word(string.concat(path, ".account")));
        }
    }

    /// @notice A real vault acts on release, seize, guardian_set and pause exactly as signed.
    function test_AVaultActsOnTheVectors() external {
        string memory path = _named("release");
        (CollateralVault vault, TestToken token) = _placeVault(path);
        Message memory release = _fields(path);
        Message memory seize = _fields(_named("seize"));
        token.mint(address(this), release.amount + seize.amount);
        token.approve(address(vault), release.amount + seize.amount);
        vault.lock(release.account, address(token), release.amount + seize.amount);

        _executeVector(vault, path);
        _executeVector(vault, _named("seize"));
        address recipient = MessageLib.toAddress(release.recipient);
        vm.assertEq(token.balanceOf(recipient), release.amount + seize.amount);

        _executeVector(vault, _named("pause"));
        vm.assertEq(vault.pauseFlags(address(token)), _fields(_named("pause")).amount);

        (bytes memory raw, uint32 index, bytes[] memory signatures) =
            _attested(_named("guardian_set"));
        uint8 needed = uint8(_number(".guardianSets[1].threshold"));
        vault.rotateGuardianSet(raw, index, _members(1), needed, signatures);
        vm.assertEq(vault.currentGuardianSetIndex(), 1);
    }

    /// @notice A real vault on another chain takes the parameter as signed.
    function test_AVaultTakesTheParameterOfTheVectors() external {
        string memory path = _named("parameter");
        (CollateralVault vault, TestToken token) = _placeVault(path);

        _executeVector(vault, path);

        vm.assertEq(_fields(path).recipient, bytes32("outflow.capacity"));
        vm.assertEq(vault.outflowCapacity(address(token)), _fields(path).amount);
    }

    /// @notice A real credit line takes the grant as signed.
    function test_ACreditLineTakesTheGrantOfTheVectors() external {
        string memory path = _named("credit_grant");
        Message memory message = _fields(path);
        CreditLine line = CreditLine(MessageLib.toAddress(message.vault));
        bytes memory settings = abi.encode(
            hubKey, members, threshold, uint64(60), MessageLib.toAddress(message.token), uint256(0)
        );
        _place(
            address(line),
            _number(string.concat(path, ".chainNumber")),
            bytes.concat(type(CreditLine).creationCode, settings)
        );

        (bytes memory raw, uint32 index, bytes[] memory signatures) = _attested(path);
        line.grant(raw, index, signatures);

        vm.assertEq(line.grantOf(message.account).limit, message.amount);
        vm.assertEq(
            line.grantOf(message.account).borrower, MessageLib.toAddress(message.recipient)
        );
    }

    function _executeVector(
        CollateralVault vault,
        string memory path
    ) private {
        (bytes memory raw, uint32 index, bytes[] memory signatures) = _attested(path);
        vault.execute(raw, index, signatures);
    }
}
