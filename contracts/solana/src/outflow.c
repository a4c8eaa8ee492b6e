#include "outflow.h"

#include "bytes.h"
#include "errors.h"

#define BUCKETS_PER_WINDOW (RING_SIZE - 1)

// Return the width of a bucket [s], rounded up so that 25 always cover the window.
static u64 bucket_seconds(u64 window_seconds) {
    return (window_seconds + BUCKETS_PER_WINDOW - 1) / BUCKETS_PER_WINDOW;
}

// Add up what counts against the capacity at a second. [base units]
static u64 outflow_used(const struct outflow *outflow, u64 now, u64 *used) {
    u64 window = outflow->window_seconds;
    u64 newest = outflow->newest_bucket;
    u64 bucket = now < window ? 0 : (now - window) / bucket_seconds(window);
    if (newest >= RING_SIZE && bucket < newest - BUCKETS_PER_WINDOW) {
        bucket = newest - BUCKETS_PER_WINDOW; // the ring holds no older one
    }
    *used = 0;
    for (; bucket <= newest; bucket++) {
        REQUIRE(
            !add_checked(*used, outflow->amounts[bucket % RING_SIZE], used), ERROR_OVERFLOW
        );
    }
    return 0;
}

u64 outflow_set_window(struct outflow *outflow, u64 window_seconds, u64 now) {
    u64 carried = 0;
    if (outflow->window_seconds != 0) {
        TRY(outflow_used(outflow, now, &carried));
    }
    for (u64 slot = 0; slot < RING_SIZE; slot++) {
        outflow->amounts[slot] = 0;
    }
    outflow->window_seconds = window_seconds;
    outflow->newest_bucket = now / bucket_seconds(window_seconds);
    outflow->amounts[outflow->newest_bucket % RING_SIZE] = carried;
    return 0;
}

u64 outflow_consume(struct outflow *outflow, u64 amount, u64 now) {
    REQUIRE(outflow->capacity != 0, ERROR_TOKEN_NOT_LISTED);
    REQUIRE(amount <= outflow->capacity, ERROR_ABOVE_CAPACITY);
    u64 used = 0;
    TRY(outflow_used(outflow, now, &used));
    u64 available = used < outflow->capacity ? outflow->capacity - used : 0;
    REQUIRE(amount <= available, ERROR_OUTFLOW_LIMITED);

    u64 bucket = now / bucket_seconds(outflow->window_seconds);
    u64 newest = outflow->newest_bucket;
    if (bucket > newest) {
        u64 first = bucket - newest > RING_SIZE ? bucket - RING_SIZE + 1 : newest + 1;
        for (u64 emptied = first; emptied <= bucket; emptied++) {
            outflow->amounts[emptied % RING_SIZE] = 0;
        }
        outflow->newest_bucket = bucket;
    }
    u64 *slot = &outflow->amounts[bucket % RING_SIZE];
    REQUIRE(!add_checked(*slot, amount, slot), ERROR_OVERFLOW);
    return 0;
}
