// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {OutflowWindow} from "../src/OutflowWindow.sol";
import {vm} from "./support/Cheats.sol";

contract OutflowWindowTest {
    using OutflowWindow for OutflowWindow.State;

    uint256 private constant CAPACITY = 1000;
    uint256 private constant STEPS_MAX = 40;

    OutflowWindow.State private state;
    uint256[] private times; // of accepted outflows
    uint256[] private amounts; // of accepted outflows

    function _start(
        uint64 window,
        uint256 timestamp
    ) private {
        state.setWindow(window, timestamp);
        state.capacity = CAPACITY;
    }

    function _consume(
        uint256 amount,
        uint256 timestamp
    ) private {
        state.consume(amount, timestamp);
        times.push(timestamp);
        amounts.push(amount);
    }

    /// @dev The plain truth: what left in [timestamp - window, timestamp].
    function _leftWithin(
        uint256 window,
        uint256 timestamp
    ) private view returns (uint256 sum) {
        for (uint256 i = 0; i < times.length; i++) {
            if (times[i] <= timestamp && times[i] + window >= timestamp) {
                sum += amounts[i];
            }
        }
    }

    /// @dev The plain rule of the buckets: an outflow counts until its bucket is older than the
    /// window.
    function _counted(
        uint256 window,
        uint256 timestamp
    ) private view returns (uint256 sum) {
        uint256 width = (window + 23) / 24;
        for (uint256 i = 0; i < times.length; i++) {
            uint256 lastSecond = (times[i] / width) * width + width - 1;
            if (lastSecond + window >= timestamp) {
                sum += amounts[i];
            }
        }
    }

    /// @notice However outflows are spread, no span of one window sees more than the capacity; what
    /// counts is the brute-force sum; and the wait is exact to the second.
    function testFuzz_NoSpanOfAWindowExceedsTheCapacity(
        uint256 seed,
        uint32 windowSeed
    ) external {
        uint64 window = uint64(windowSeed) % 100_000 + 1;
        uint256 timestamp = 1_800_000_000 + seed % 1000;
        _start(window, timestamp);

        for (uint256 step = 0; step < STEPS_MAX; step++) {
            seed = uint256(keccak256(abi.encode(seed)));
            timestamp += (seed >> 128) % (uint256(window) / 4 + 2);
            uint256 amount = seed % CAPACITY + 1;
            vm.assertEq(state.used(timestamp), _counted(window, timestamp), "counted");

            uint256 wait = state.waitSeconds(amount, timestamp);
            vm.assertEq(wait == 0, amount <= state.available(timestamp));
            if (wait != 0) {
                vm.assertLe(state.available(timestamp + wait - 1), amount - 1, "not before");
                vm.assertGe(state.available(timestamp + wait), amount, "exactly then");
                continue;
            }
            _consume(amount, timestamp);
            vm.assertLe(_leftWithin(window, timestamp), CAPACITY, "capacity");
        }
    }

    /// @notice An outflow counts for at most one bucket longer than the window.
    function testFuzz_AnOutflowIsForgottenAfterWindowAndBucket(
        uint32 windowSeed,
        uint32 offset
    ) external {
        uint64 window = uint64(windowSeed) % 100_000 + 1;
        uint256 timestamp = 1_800_000_000 + uint256(offset);
        _start(window, timestamp);
        _consume(CAPACITY, timestamp);

        vm.assertEq(state.available(timestamp + window), 0);
        vm.assertEq(state.available(timestamp + window + (window + 23) / 24), CAPACITY);
    }

    /// @notice Long after the last outflow the ring is clean, however many buckets were skipped.
    function testFuzz_AFullRingIsCleanLater(
        uint256 seed,
        uint64 pause
    ) external {
        uint64 window = 2400;
        uint256 timestamp = 1_800_000_000;
        _start(window, timestamp);
        for (uint256 step = 0; step < 30; step++) {
            seed = uint256(keccak256(abi.encode(seed)));
            timestamp += 100;
            _consume(seed % 30 + 1, timestamp);
        }

        timestamp += uint256(window) + 100 + pause % 1e9;
        _consume(1, timestamp);

        vm.assertEq(state.used(timestamp), 1);
    }

    /// @notice A changed window counts what the old one still counted, as if it had just left.
    function testFuzz_ANewWindowCarriesWhatStillCounts(
        uint32 oldSeed,
        uint32 newSeed,
        uint32 gap
    ) external {
        uint64 oldWindow = uint64(oldSeed) % 100_000 + 1;
        uint64 newWindow = uint64(newSeed) % 100_000 + 1;
        uint256 timestamp = 1_800_000_000;
        _start(oldWindow, timestamp);
        _consume(700, timestamp);
        uint256 changedAt = timestamp + gap % (uint256(oldWindow) * 2);
        uint256 counted = state.used(changedAt);

        state.setWindow(newWindow, changedAt);

        vm.assertEq(state.used(changedAt), counted);
        vm.assertEq(state.used(changedAt + newWindow), counted);
        vm.assertEq(state.used(changedAt + newWindow + (newWindow + 23) / 24), 0);
    }

    /// @notice After the capacity is lowered below what left, nothing is available and the wait is
    /// exact.
    function testFuzz_ALowerCapacityWaitsForWhatLeft(
        uint256 amount,
        uint256 lower
    ) external {
        amount = amount % CAPACITY + 1;
        lower = lower % amount + 1;
        _start(2400, 1_800_000_000);
        _consume(amount, 1_800_000_000);

        state.capacity = lower;

        vm.assertEq(state.available(1_800_000_000), lower > amount ? lower - amount : 0);
        uint256 wait = state.waitSeconds(lower, 1_800_000_000);
        vm.assertEq(wait, 2400 + 100);
        vm.assertEq(state.available(1_800_000_000 + wait - 1), lower > amount ? lower - amount : 0);
        vm.assertEq(state.available(1_800_000_000 + wait), lower);
    }

    /// @notice The largest capacity does not overflow.
    function test_TheLargestCapacityWorks() external {
        _start(2400, 1_800_000_000);
        state.capacity = type(uint256).max;
        _consume(type(uint256).max - 5, 1_800_000_000);
        _consume(5, 1_800_001_000);

        vm.assertEq(state.available(1_800_001_000), 0);
        vm.assertEq(state.waitSeconds(6, 1_800_001_000), 2400 + 100 - 1000);
    }
}
