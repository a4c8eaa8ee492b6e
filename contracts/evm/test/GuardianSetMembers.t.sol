// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IGuardianSet} from "../src/interfaces/IGuardianSet.sol";
import {MessageLib} from "../src/MessageLib.sol";
import {vm} from "./support/Cheats.sol";
import {Guardians} from "./support/Guardians.sol";
import {GuardianSetOpen} from "./support/GuardianSetOpen.sol";

contract GuardianSetMembersTest is Guardians {
    bytes private constant RAW = "any bytes";

    GuardianSetOpen private set;
    uint256[] private keys;

    function setUp() external {
        vm.warp(START);
        keys = _keys(5, 0);
        set = new GuardianSetOpen(_addresses(keys), 3, OVERLAP_SECONDS);
    }

    /// @notice The hash of a set packs index, threshold and left-padded members.
    function test_TheSetHashPadsMembersToTheLeft() external view {
        address[] memory members = _addresses(_first(keys, 2));

        bytes32 expected = keccak256(
            abi.encodePacked(
                uint32(9), uint8(2), MessageLib.toWord(members[0]), MessageLib.toWord(members[1])
            )
        );

        vm.assertEq(set.setHash(9, 2, members), expected);
    }

    /// @notice Any two quorums must share a member, so half is not enough.
    function testFuzz_AThresholdThatIsNoMajorityIsRefused(
        uint8 size,
        uint8 threshold
    ) external {
        size = size % 19 + 1;
        bool isMajority = threshold > size / 2 && threshold <= size;
        address[] memory members = _addresses(_keys(size, 1));
        if (!isMajority) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IGuardianSet.GuardianSetThresholdOutOfRange.selector,
                    threshold,
                    size / 2 + 1,
                    size
                )
            );
        }

        set.replace(members, threshold);
    }

    /// @notice A set has 1 to 19 members.
    function test_AnEmptyOrLargeSetIsRefused() external {
        vm.expectRevert(
            abi.encodeWithSelector(IGuardianSet.GuardianSetSizeOutOfRange.selector, 0, 19)
        );
        set.replace(new address[](0), 0);

        address[] memory twenty = _addresses(_keys(20, 1));
        vm.expectRevert(
            abi.encodeWithSelector(IGuardianSet.GuardianSetSizeOutOfRange.selector, 20, 19)
        );
        set.replace(twenty, 11);
    }

    /// @notice Members are distinct, in order, and not zero.
    function test_UnorderedDuplicateOrZeroMembersAreRefused() external {
        address[] memory members = _addresses(_first(keys, 3));
        address[] memory wrong = new address[](3);
        (wrong[0], wrong[1], wrong[2]) = (members[0], members[0], members[2]);
        vm.expectRevert(
            abi.encodeWithSelector(
                IGuardianSet.GuardianSetMembersNotAscending.selector, 1, members[0], members[0]
            )
        );
        set.replace(wrong, 2);

        (wrong[0], wrong[1]) = (members[1], members[0]);
        vm.expectRevert(
            abi.encodeWithSelector(
                IGuardianSet.GuardianSetMembersNotAscending.selector, 1, members[1], members[0]
            )
        );
        set.replace(wrong, 2);

        wrong[0] = address(0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IGuardianSet.GuardianSetMembersNotAscending.selector, 0, address(0), address(0)
            )
        );
        set.replace(wrong, 2);
    }

    /// @notice A replaced set is good to the last second of the overlap and not one longer.
    function test_AReplacedSetRunsOutAfterTheOverlap() external {
        bytes[] memory signatures = _signatures(set, RAW, 0, _first(keys, 3));
        set.replace(_addresses(_keys(4, 1)), 3);

        vm.warp(START + OVERLAP_SECONDS);
        set.verify(MessageLib.idOf(RAW), 0, signatures);
        vm.warp(START + OVERLAP_SECONDS + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IGuardianSet.GuardianSetOutdated.selector,
                0,
                START + OVERLAP_SECONDS,
                START + OVERLAP_SECONDS + 1
            )
        );
        set.verify(MessageLib.idOf(RAW), 0, signatures);
    }

    /// @notice The views show both sets and until when they are good.
    function test_TheViewsShowEverySet() external {
        set.replace(_addresses(_keys(4, 1)), 3);

        (address[] memory members, uint8 threshold, uint64 validUntil) = set.guardianSet(0);
        vm.assertEq(members.length, 5);
        vm.assertEq(threshold, 3);
        vm.assertEq(validUntil, START + OVERLAP_SECONDS);
        (members,, validUntil) = set.guardianSet(1);
        vm.assertEq(members.length, 4);
        vm.assertEq(validUntil, type(uint64).max);
        vm.assertEq(set.currentGuardianSetIndex(), 1);
        vm.expectRevert(abi.encodeWithSelector(IGuardianSet.GuardianSetUnknown.selector, 2, 1));
        set.guardianSet(2);
    }

    /// @notice The overlap is bounded.
    function test_AnOverlapAboveTheBoundIsRefused() external {
        address[] memory members = _addresses(keys);

        vm.expectRevert(
            abi.encodeWithSelector(
                IGuardianSet.GuardianSetOverlapTooLong.selector, 30 days + 1, 30 days
            )
        );
        new GuardianSetOpen(members, 3, 30 days + 1);
    }

    /// @notice The smallest and the largest set verify with a bare majority and with everybody.
    function test_ASetOfOneAndOneOfNineteenVerify() external {
        uint256[] memory one = _keys(1, 1);
        set.replace(_addresses(one), 1);
        set.verify(MessageLib.idOf(RAW), 1, _signatures(set, RAW, 1, one));

        uint256[] memory nineteen = _keys(19, 2);
        set.replace(_addresses(nineteen), 10);
        bytes[] memory nine = _signatures(set, RAW, 2, _first(nineteen, 9));
        vm.expectRevert(
            abi.encodeWithSelector(IGuardianSet.GuardianSetQuorumMissing.selector, 9, 10)
        );
        set.verify(MessageLib.idOf(RAW), 2, nine);
        set.verify(MessageLib.idOf(RAW), 2, _signatures(set, RAW, 2, _first(nineteen, 10)));
        set.verify(MessageLib.idOf(RAW), 2, _signatures(set, RAW, 2, nineteen));
    }
}
