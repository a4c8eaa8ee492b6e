// Replace the guardian set: kind guardian_set, signed by the current set. The one replaced stays
// valid for the overlap.
//
// 0. to 4. accounts of a message (execute.c); 2. is writable and the current set
// 5. [] staged set                  ["staged", vault, hash of the set]
// 6. [writable] next set            ["guardians", vault, index]
// 7. [] events authority
// 8. [] this program
//
// data: as message.h says; the amount is the index of the next set

#include "instructions.h"

#include "bytes.h"
#include "checks.h"
#include "errors.h"
#include "events.h"
#include "guardians.h"
#include "message.h"
#include "set_address.h"

#define STAGED PLACES_OF_MESSAGE
#define NEXT (PLACES_OF_MESSAGE + 1)

// Write the staged set as the next one and let the one before run out.
static u64 replace_set(
    struct call *call, struct receiver *receiver, const struct guardian_set *staged
) {
    struct guardian_set *next = 0;
    TRY(create_set(call, &call->accounts[NEXT], staged->index, &next));
    next->threshold = staged->threshold;
    next->count = staged->count;
    copy_bytes(next->members[0], staged->members[0], staged->count * ADDRESS_BYTES);
    receiver->vault->guardian_set_index = staged->index;
    receiver->set->valid_until = call->now + receiver->vault->overlap_seconds;
    return 0;
}

u64 rotate_set(struct call *call) {
    struct message message;
    struct receiver receiver;
    TRY(read_message(call, &message, &receiver));
    TRY(require_count(call, PLACES_OF_MESSAGE + 2 + PLACES_OF_EVENTS));
    const struct account *vault_account = &call->accounts[PLACE_VAULT];
    TRY(require_writable(&call->accounts[PLACE_SET]));
    TRY(require_current(receiver.vault, receiver.set));
    REQUIRE(message.kind == MESSAGE_GUARDIAN_SET, ERROR_WRONG_KIND);
    struct guardian_set *staged = 0;
    TRY(load_staged(call, &call->accounts[STAGED], vault_account, &staged));
    u64 index = (u64)receiver.vault->guardian_set_index + 1;
    REQUIRE(message.amount == index && staged->index == index, ERROR_WRONG_SET_INDEX);
    u8 hash[KEY_BYTES];
    set_hash(staged, hash);
    message.account = ZERO_KEY;
    message.token = hash;
    message.recipient = ZERO_KEY;
    TRY(accept_message(call, &message, &receiver));
    TRY(replace_set(call, &receiver, staged));

    struct event event;
    begin_event(&event, EVENT_SET_ROTATED, vault_account);
    put_key(&event, message.id);
    put_set(&event, staged, receiver.set->valid_until);
    return print_event(call, receiver.vault, &event);
}
