// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Rolling limit on what leaves for one token
/// @notice Time is cut into buckets of a 24th of the window. An outflow counts from its second
/// until its whole bucket is older than the window, so in every span [t - windowSeconds, t] the
/// outflow is at most the capacity; the price is that an outflow may count for up to one bucket
/// longer than it must.
library OutflowWindow {
    /* TYPES */

    uint256 internal constant BUCKETS_PER_WINDOW = 24;
    // One more than fit in the window: the oldest may lie only partly inside.
    uint256 internal constant RING_SIZE = BUCKETS_PER_WINDOW + 1;

    struct State {
        uint256 capacity; // [token base units] per window; 0: the token is not listed
        uint64 windowSeconds;
        uint64 newestBucket; // the ring holds this bucket and the 24 before it
        uint256[RING_SIZE] amounts; // [token base units] by bucket modulo RING_SIZE
    }

    /* INTERNAL */

    /// @dev Set the window. What still counts is counted again as if it had left at this second,
    /// which errs on the safe side; what had already aged out of the old window is not remembered.
    function setWindow(
        State storage self,
        uint64 windowSeconds,
        uint256 timestamp
    ) internal {
        uint256 carried = used(self, timestamp);
        for (uint256 slot = 0; slot < RING_SIZE; slot++) {
            self.amounts[slot] = 0;
        }
        self.windowSeconds = windowSeconds;
        uint256 bucket = timestamp / _bucketSeconds(windowSeconds);
        self.newestBucket = uint64(bucket);
        self.amounts[bucket % RING_SIZE] = carried;
    }

    /// @dev Count an outflow; the caller has checked that it is available.
    function consume(
        State storage self,
        uint256 amount,
        uint256 timestamp
    ) internal {
        uint256 bucket = timestamp / _bucketSeconds(self.windowSeconds);
        uint256 newest = self.newestBucket;
        if (bucket > newest) {
            uint256 first = bucket - newest > RING_SIZE ? bucket - RING_SIZE + 1 : newest + 1;
            for (uint256 emptied = first; emptied <= bucket; emptied++) {
                self.amounts[emptied % RING_SIZE] = 0;
            }
            self.newestBucket = uint64(bucket);
        }
        self.amounts[bucket % RING_SIZE] += amount;
    }

    /* VIEWS */

    /// @dev Return what counts against the capacity at a second. [token base units]
    function used(
        State storage self,
        uint256 timestamp
    ) internal view returns (uint256 amount) {
        uint64 window = self.windowSeconds;
        if (window == 0) {
            return 0; // never listed
        }
        uint256 newest = self.newestBucket;
        for (uint256 bucket = _oldestCounted(window, timestamp); bucket <= newest; bucket++) {
            amount += self.amounts[bucket % RING_SIZE];
        }
    }

    /// @dev Return what may leave at a second. [token base units]
    function available(
        State storage self,
        uint256 timestamp
    ) internal view returns (uint256) {
        uint256 amountUsed = used(self, timestamp);
        return amountUsed < self.capacity ? self.capacity - amountUsed : 0;
    }

    /// @dev Return after how many seconds an amount may leave if nothing else does; exact: one
    /// second less is too early. The amount must not be above the capacity.
    function waitSeconds(
        State storage self,
        uint256 amount,
        uint256 timestamp
    ) internal view returns (uint256) {
        uint256 usedMax = self.capacity - amount;
        uint256 remaining = used(self, timestamp);
        if (remaining <= usedMax) {
            return 0;
        }
        uint64 window = self.windowSeconds;
        uint256 bucket = _oldestCounted(window, timestamp);
        // At most RING_SIZE turns: without the counted buckets nothing remains.
        do {
            remaining -= self.amounts[bucket % RING_SIZE];
            bucket++;
        } while (remaining > usedMax);
        // `bucket` is now the first that still counts when the one before it no longer does.
        return bucket * _bucketSeconds(window) + window - timestamp;
    }

    /// @dev Return the oldest bucket that reaches into [timestamp - window, timestamp].
    function _oldestCounted(
        uint64 window,
        uint256 timestamp
    ) private pure returns (uint256) {
        return timestamp < window ? 0 : (timestamp - window) / _bucketSeconds(window);
    }

    /// @dev Return the width of a bucket [s], rounded up so that 25 always cover the window.
    function _bucketSeconds(
        uint64 window
    ) private pure returns (uint256) {
        return (uint256(window) + BUCKETS_PER_WINDOW - 1) / BUCKETS_PER_WINDOW;
    }
}
