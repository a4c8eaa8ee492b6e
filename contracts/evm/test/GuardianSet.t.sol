// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IGuardianSet} from "../src/interfaces/IGuardianSet.sol";
import {MessageLib} from "../src/MessageLib.sol";
import {vm} from "./support/Cheats.sol";
import {Guardians} from "./support/Guardians.sol";
import {GuardianSetOpen} from "./support/GuardianSetOpen.sol";

contract GuardianSetTest is Guardians {
    bytes private constant RAW = "any bytes";

    GuardianSetOpen private set;
    uint256[] private keys;

    function setUp() external {
        vm.warp(START);
        keys = _keys(5, 0);
        set = new GuardianSetOpen(_addresses(keys), 3, OVERLAP_SECONDS);
    }

    function _sign(
        uint256 count
    ) private view returns (bytes[] memory) {
        return _signatures(set, RAW, 0, _first(keys, count));
    }

    function _verify(
        uint32 index,
        bytes[] memory signatures
    ) private view {
        set.verify(MessageLib.idOf(RAW), index, signatures);
    }

    function _refuse(
        bytes[] memory signatures,
        bytes memory expected
    ) private {
        vm.expectRevert(expected);
        _verify(0, signatures);
    }

    /// @notice Three to five of five are enough.
    function test_AQuorumOrMoreIsAccepted() external view {
        for (uint256 count = 3; count <= 5; count++) {
            _verify(0, _sign(count));
        }
    }

    /// @notice Any three of the five are enough.
    function testFuzz_AnyQuorumIsAccepted(
        uint256 leftOutA,
        uint256 leftOutB
    ) external view {
        leftOutA %= 5;
        leftOutB %= 5;
        vm.assume(leftOutA != leftOutB);
        uint256[] memory chosen = new uint256[](3);
        uint256 filled = 0;
        for (uint256 i = 0; i < 5; i++) {
            if (i != leftOutA && i != leftOutB) {
                chosen[filled++] = keys[i];
            }
        }

        _verify(0, _signatures(set, RAW, 0, chosen));
    }

    /// @notice Two of five are not enough.
    function test_FewerThanTheThresholdAreRefused() external {
        for (uint256 count = 0; count < 3; count++) {
            bytes[] memory signatures = _sign(count);
            _refuse(
                signatures,
                abi.encodeWithSelector(IGuardianSet.GuardianSetQuorumMissing.selector, count, 3)
            );
        }
    }

    /// @notice One guardian cannot fill the quorum by signing three times.
    function test_ASignerTwiceIsRefused() external {
        bytes[] memory signatures = _sign(3);
        signatures[2] = signatures[1];
        address signer = vm.addr(keys[1]);

        _refuse(
            signatures,
            abi.encodeWithSelector(
                IGuardianSet.GuardianSetSignersNotAscending.selector, 2, signer, signer
            )
        );
    }

    /// @notice Signers out of order are refused.
    function test_SignersOutOfOrderAreRefused() external {
        bytes[] memory signatures = _sign(3);
        (signatures[0], signatures[1]) = (signatures[1], signatures[0]);

        _refuse(
            signatures,
            abi.encodeWithSelector(
                IGuardianSet.GuardianSetSignersNotAscending.selector,
                1,
                vm.addr(keys[1]),
                vm.addr(keys[0])
            )
        );
    }

    /// @notice The mirrored signature (high s, other v) of a member is refused.
    function test_AHighSIsRefused() external {
        bytes[] memory signatures = _sign(3);
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(keys[2], set.attestationDigest(MessageLib.idOf(RAW), 0));
        signatures[2] = abi.encodePacked(r, bytes32(SECP256K1_ORDER - uint256(s)), 55 - v);

        _refuse(
            signatures,
            abi.encodeWithSelector(IGuardianSet.GuardianSetSignatureMalformed.selector, 2)
        );
    }

    /// @notice The recovery byte is 27 or 28, not 0 or 1.
    function testFuzz_AnyOtherRecoveryByteIsRefused(
        uint8 v
    ) external {
        vm.assume(v != 27 && v != 28);
        bytes[] memory signatures = _sign(3);
        signatures[0][64] = bytes1(v);

        _refuse(
            signatures,
            abi.encodeWithSelector(IGuardianSet.GuardianSetSignatureMalformed.selector, 0)
        );
    }

    /// @notice Values from which nobody can be recovered are refused.
    function test_ASignatureOfNobodyIsRefused() external {
        bytes[] memory signatures = _sign(3);
        signatures[0] = abi.encodePacked(bytes32(0), bytes32(uint256(1)), uint8(27));

        _refuse(
            signatures,
            abi.encodeWithSelector(IGuardianSet.GuardianSetSignatureMalformed.selector, 0)
        );
    }

    /// @notice Compact (64 bytes) and overlong signatures are refused.
    function testFuzz_AnyOtherSignatureLengthIsRefused(
        uint8 length
    ) external {
        vm.assume(length != 65);
        bytes[] memory signatures = _sign(3);
        signatures[1] = new bytes(length);

        _refuse(
            signatures,
            abi.encodeWithSelector(IGuardianSet.GuardianSetSignatureLength.selector, 1, length)
        );
    }

    /// @notice An outsider beside a quorum spoils the attestation.
    function test_AnOutsiderIsRefused() external {
        uint256 outsider = _keys(1, 99)[0];
        uint256[] memory chosen = new uint256[](1);
        chosen[0] = outsider;
        bytes[] memory one = _signatures(set, RAW, 0, chosen);
        bytes[] memory signatures = new bytes[](3);
        (signatures[0], signatures[1], signatures[2]) = (one[0], one[0], one[0]);

        _refuse(
            signatures,
            abi.encodeWithSelector(
                IGuardianSet.GuardianSetNotAMember.selector, vm.addr(outsider), 0
            )
        );
    }

    /// @notice No byte of a message can change under its signatures.
    function testFuzz_AnAlteredByteBreaksTheSignatures(
        uint256 position,
        uint8 flip
    ) external {
        vm.assume(flip != 0);
        bytes memory altered = bytes.concat(RAW);
        position %= altered.length;
        altered[position] ^= bytes1(flip);
        bytes[] memory signatures = _sign(3);

        (bool accepted,) = address(set)
            .call(
                abi.encodeCall(GuardianSetOpen.verify, (MessageLib.idOf(altered), 0, signatures))
            );

        vm.assertEq(accepted, false);
    }

    /// @notice Signatures for one contract are worth nothing at its twin.
    function test_SignaturesAreBoundToTheContract() external {
        GuardianSetOpen twin = new GuardianSetOpen(_addresses(keys), 3, OVERLAP_SECONDS);
        bytes[] memory signatures = _sign(3);

        (bool accepted,) = address(twin)
            .call(abi.encodeCall(GuardianSetOpen.verify, (MessageLib.idOf(RAW), 0, signatures)));

        vm.assertEq(accepted, false);
    }

    /// @notice After a chain split the other chain refuses what was signed for this one.
    function test_SignaturesAreBoundToTheChainId() external {
        bytes[] memory signatures = _sign(3);
        vm.chainId(31338);

        (bool accepted,) = address(set)
            .call(abi.encodeCall(GuardianSetOpen.verify, (MessageLib.idOf(RAW), 0, signatures)));

        vm.assertEq(accepted, false);
    }

    /// @notice An index nobody has used names no set.
    function test_AnUnknownSetIsRefused() external {
        bytes[] memory signatures = _sign(3);

        vm.expectRevert(
            abi.encodeWithSelector(IGuardianSet.GuardianSetUnknown.selector, uint32(1), 0)
        );
        _verify(1, signatures);
    }

    /// @notice The digest is the EIP-712 hash written out by hand.
    function test_TheDigestIsTheOneOfTheDomain() external view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,"
                    "address verifyingContract)"
                ),
                keccak256("CollateralRelayer"),
                keccak256("1"),
                uint256(31337),
                address(set)
            )
        );
        bytes32 body = keccak256(
            abi.encode(
                keccak256("Attestation(bytes32 messageId,uint32 guardianSetIndex)"),
                keccak256(RAW),
                uint256(0)
            )
        );

        vm.assertEq(
            set.attestationDigest(MessageLib.idOf(RAW), 0),
            keccak256(abi.encodePacked(hex"1901", domain, body))
        );
    }
}
