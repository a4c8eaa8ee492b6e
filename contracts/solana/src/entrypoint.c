// Where the loader enters.

#include "errors.h"
#include "events.h"
#include "input.h"
#include "instructions.h"

// The VM zeroes the heap for every call; a fixed place in it keeps frames small.
#define HEAP ((struct call *)0x300000000ul)

static u64 dispatch(struct call *call) {
    switch (call->input[0]) {
    case INSTRUCTION_INITIALISE:
        return initialise(call);
    case INSTRUCTION_LIST_ASSET:
        return list_asset(call);
    case INSTRUCTION_SEAL:
        return seal(call);
    case INSTRUCTION_LOCK:
        return lock(call);
    case INSTRUCTION_EXECUTE:
        return execute(call);
    case INSTRUCTION_STAGE_SET:
        return stage_set(call);
    case INSTRUCTION_ROTATE_SET:
        return rotate_set(call);
    case INSTRUCTION_EXIT:
        return exit_by_opener(call);
    case INSTRUCTION_EXIT_SIGNED:
        return exit_by_signature(call);
    case INSTRUCTION_EVENT:
        return accept_event(call);
    default:
        return ERROR_INSTRUCTION_UNKNOWN;
    }
}

u64 entrypoint(u8 *region) {
    struct call *call = HEAP;
    TRY(read_input(region, call));
    REQUIRE(call->input_length != 0, ERROR_INSTRUCTION_LENGTH);
    // Who deposits may also pay; nothing else stands at two places.
    TRY(require_distinct(call, call->input[0] == INSTRUCTION_LOCK ? 1 : ACCOUNTS_MAX));
    TRY(read_clock(call));
    return dispatch(call);
}
