// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {PriceFeed} from "../../src/devnet/PriceFeed.sol";
import {vm} from "../support/Cheats.sol";

contract PriceFeedTest {
    PriceFeed private feed;

    function setUp() external {
        vm.warp(1000);
        feed = new PriceFeed(8, "ETH / USD", 2000e8);
    }

    function _assertLatest(
        uint80 round,
        int256 answer,
        uint256 updatedAt
    ) private view {
        (uint80 id, int256 value, uint256 startedAt, uint256 at, uint80 answeredIn) =
            feed.latestRoundData();
        vm.assertEq(id, round);
        vm.assertEq(value == answer, true);
        vm.assertEq(startedAt, updatedAt);
        vm.assertEq(at, updatedAt);
        vm.assertEq(answeredIn, round);
    }

    /// @notice The first answer is there from the start.
    function test_AFeedStartsWithAnAnswer() external view {
        _assertLatest(1, 2000e8, 1000);
        vm.assertEq(feed.decimals(), 8);
        vm.assertEq(feed.version(), 4);
        vm.assertEq(bytes(feed.description()), bytes("ETH / USD"));
    }

    /// @notice Every update is a round; old rounds stay.
    function test_AnUpdateStartsARound() external {
        vm.warp(1010);
        feed.update(1900e8);

        _assertLatest(2, 1900e8, 1010);
        (uint80 id, int256 answer,, uint256 updatedAt,) = feed.getRoundData(1);
        vm.assertEq(id, 1);
        vm.assertEq(answer == 2000e8, true);
        vm.assertEq(updatedAt, 1000);
    }

    /// @notice A stale price can be rehearsed.
    function test_AnUpdateMayCarryAnyTime() external {
        feed.updateWithTime(-1, 5);

        _assertLatest(2, -1, 5);
    }

    /// @notice Only the owner writes.
    function test_AStrangerWritesNothing() external {
        vm.prank(address(0xBAD));
        vm.expectRevert(
            abi.encodeWithSelector(
                PriceFeed.PriceFeedNotOwner.selector, address(0xBAD), address(this)
            )
        );
        feed.update(1);
    }

    /// @notice Rounds that were never written are refused.
    function test_AnUnknownRoundIsRefused() external {
        vm.expectRevert(abi.encodeWithSelector(PriceFeed.PriceFeedNoRound.selector, 2, 1));
        feed.getRoundData(2);
        vm.expectRevert(abi.encodeWithSelector(PriceFeed.PriceFeedNoRound.selector, 0, 1));
        feed.getRoundData(0);
    }
}
