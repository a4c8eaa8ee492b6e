// Set the pause flags of one token, or of all where no asset is given.
//
// 0. to 4. accounts of a message (execute.c)
// 5. [writable] asset               ["asset", vault, mint]; left out for every token
// 6. [] events authority
// 7. [] this program

#include "kinds.h"

#include "checks.h"
#include "errors.h"
#include "events.h"
#include "guardians.h"
#include "instructions.h"

#define COUNT_FOR_ALL (PLACES_OF_MESSAGE + PLACES_OF_EVENTS)

u64 pause(struct call *call, struct message *message, struct receiver *receiver) {
    struct vault *vault = receiver->vault;
    const struct account *vault_account = &call->accounts[PLACE_VAULT];
    u8 *pause_flags = &vault->pause_flags;
    struct nonce_min *nonce_min = &vault->pause_nonce_min;
    message->account = ZERO_KEY;
    message->recipient = ZERO_KEY;
    message->token = ZERO_KEY;
    if (call->count != COUNT_FOR_ALL) {
        TRY(require_count(call, COUNT_FOR_ALL + 1));
        const struct account *asset_account = &call->accounts[PLACES_OF_MESSAGE];
        struct asset *asset = 0;
        TRY(require_writable(asset_account));
        TRY(load_asset(call, asset_account, vault_account, &asset));
        message->token = asset->mint;
        pause_flags = &asset->pause_flags;
        nonce_min = &asset->pause_nonce_min;
    }
    TRY(accept_message(call, message, receiver));
    TRY(require_current(vault, receiver->set));
    REQUIRE(message->amount <= PAUSE_FLAGS_MAX, ERROR_PAUSE_FLAGS);
    TRY(require_newest(nonce_min, message->nonce));
    *pause_flags = (u8)message->amount;

    struct event event;
    begin_event(&event, EVENT_PAUSE_CHANGED, vault_account);
    put_key(&event, message->id);
    put_key(&event, message->token);
    put_u64(&event, message->amount);
    return print_event(call, vault, &event);
}
