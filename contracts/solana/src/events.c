#include "events.h"

#include "bytes.h"
#include "checks.h"
#include "errors.h"

static const char EVENTS_SEED[] = "events";

const u8 EVENT_TAG[EVENT_TAG_BYTES] = {'R', 'E', 'L', 'A', 'Y', 'E', 'V', '1'};
const u8 ZERO_KEY[KEY_BYTES] = {0};

void begin_event(struct event *event, enum event_kind kind, const struct account *vault) {
    copy_bytes(event->bytes, EVENT_TAG, EVENT_TAG_BYTES);
    event->bytes[EVENT_TAG_BYTES] = (u8)kind;
    event->length = EVENT_TAG_BYTES + 1;
    put_key(event, vault->key);
}

void put_key(struct event *event, const u8 *key) {
    copy_key(event->bytes + event->length, key);
    event->length += KEY_BYTES;
}

void put_u64(struct event *event, u64 value) {
    write_u64(event->bytes + event->length, value);
    event->length += sizeof(u64);
}

void put_set(struct event *event, const struct guardian_set *set, u64 previous_valid_until) {
    write_u32(event->bytes + event->length, set->index);
    event->length += sizeof(u32);
    put_u64(event, previous_valid_until);
    event->bytes[event->length++] = set->threshold;
    event->bytes[event->length++] = set->count;
    u64 bytes = set->count * ADDRESS_BYTES;
    copy_bytes(event->bytes + event->length, set->members[0], bytes);
    event->length += bytes;
}

u64 print_event(const struct call *call, const struct vault *vault, const struct event *event) {
    const struct account *authority = &call->accounts[call->count - 2];
    const struct account *program = &call->accounts[call->count - 1];
    TRY(require_key(program, call->program_id));
    struct derived signer;
    begin_seeds(&signer, EVENTS_SEED, sizeof(EVENTS_SEED) - 1);
    TRY(derive_address(&signer, vault->events_bump, call->program_id));
    TRY(require_at(authority, &signer));
    struct meta meta = {authority->key, 0, 1};
    struct instruction instruction = {call->program_id, &meta, 1, event->bytes, event->length};
    const struct account *accounts[1] = {authority};
    return invoke(&instruction, accounts, &signer);
}

void find_events_authority(const struct call *call, struct derived *derived) {
    begin_seeds(derived, EVENTS_SEED, sizeof(EVENTS_SEED) - 1);
    find_address(derived, call->program_id);
}

u64 accept_event(const struct call *call) {
    TRY(require_count(call, 1));
    struct derived authority;
    find_events_authority(call, &authority);
    TRY(require_at(&call->accounts[0], &authority));
    REQUIRE(call->accounts[0].is_signer, ERROR_EVENT_NOT_SIGNED);
    return 0;
}
