// The instructions, each in its own file with its accounts. The first byte of the data names one.
#pragma once

#include "abi.h"

enum instruction_tag {
    INSTRUCTION_INITIALISE = 0,
    INSTRUCTION_LIST_ASSET = 1,
    INSTRUCTION_SEAL = 2,
    INSTRUCTION_LOCK = 3,
    INSTRUCTION_EXECUTE = 4,
    INSTRUCTION_STAGE_SET = 5,
    INSTRUCTION_ROTATE_SET = 6,
    INSTRUCTION_EXIT = 7,
    INSTRUCTION_EXIT_SIGNED = 8,
    INSTRUCTION_EVENT = 'R', // first byte of EVENT_TAG
};

#define PAUSE_OUTFLOW 1
#define PAUSE_LOCKS 2
#define PAUSE_FLAGS_MAX (PAUSE_OUTFLOW | PAUSE_LOCKS)

#define WINDOW_SECONDS_MIN 1ul
#define WINDOW_SECONDS_MAX 2592000ul // 30 days
#define EXIT_DELAY_SECONDS_MIN 1ul
// Bounded, so that no quorum can take the owners' way out from them.
#define EXIT_DELAY_SECONDS_MAX 7776000ul // 90 days

u64 initialise(struct call *call);
u64 list_asset(struct call *call);
u64 seal(struct call *call);
u64 lock(struct call *call);
u64 execute(struct call *call);
u64 stage_set(struct call *call);
u64 rotate_set(struct call *call);
u64 exit_by_opener(struct call *call);
u64 exit_by_signature(struct call *call);
