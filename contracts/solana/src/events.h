// Events, printed by the program calling itself with an address that only it can sign for. So no
// other program can print one, and cut logs lose none.
//
// data: tag 8 bytes | kind u8 | vault b32 | fields of the kind, fixed width, big-endian
#pragma once

#include "addresses.h"
#include "layout.h"

#define EVENT_TAG_BYTES 8ul
#define EVENT_BYTES_MAX 512ul

enum event_kind {
    EVENT_LOCKED = 1,          // lock id u64 | account | token | depositor | units u64 | held u64
    EVENT_RELEASED = 2,        // message id | account | token | recipient | units u64 | held u64
    EVENT_SEIZED = 3,          // as EVENT_RELEASED
    EVENT_EXITED = 4,          // account | token | owner | recipient | units u64 | held u64
    EVENT_PAUSE_CHANGED = 5,   // message id | token | flags u64
    EVENT_CAPACITY_CHANGED = 6, // message id | token | units u64
    EVENT_WINDOW_CHANGED = 7,  // message id | token | seconds u64
    EVENT_EXIT_DELAY_CHANGED = 8, // message id | seconds u64
    EVENT_SET_ROTATED = 9, // message id | index u32 | previous valid until u64 | threshold u8 |
                           // count u8 | members 20 bytes each
};

extern const u8 EVENT_TAG[EVENT_TAG_BYTES];
extern const u8 ZERO_KEY[KEY_BYTES];

struct event {
    u8 bytes[EVENT_BYTES_MAX];
    u64 length;
};

void begin_event(struct event *event, enum event_kind kind, const struct account *vault);
void put_key(struct event *event, const u8 *key);
void put_u64(struct event *event, u64 value);
void put_set(struct event *event, const struct guardian_set *set, u64 previous_valid_until);

// Print an event. The last two accounts of every instruction that prints are the events
// authority and this program.
u64 print_event(const struct call *call, const struct vault *vault, const struct event *event);

// The events authority's address.
void find_events_authority(const struct call *call, struct derived *derived);

// The instruction that is an event: does nothing, and only this program may call it.
// 0. [signer] events authority
u64 accept_event(const struct call *call);
