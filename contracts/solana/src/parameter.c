// Set one parameter; a byte behind the message's fields names its key.
//
// 0. to 4. accounts of a message (execute.c)
// outflow capacity (0):
//   5. to 9. accounts of a listing (listing.h); a token that is not listed is listed
// outflow window (1):
//   5. [writable] asset             ["asset", vault, mint]
// exit delay (2): none
// then:
// +0. [] events authority
// +1. [] this program

#include "kinds.h"

#include "bytes.h"
#include "checks.h"
#include "errors.h"
#include "events.h"
#include "guardians.h"
#include "instructions.h"
#include "listing.h"
#include "outflow.h"

#define PARAMETER_CAPACITY 0
#define PARAMETER_WINDOW 1
#define PARAMETER_EXIT_DELAY 2
#define KEY(text) ((const u8 *)(text))

// The recipient field of the message; text, then zeros.
static const char CAPACITY_KEY[KEY_BYTES] = "outflow.capacity";
static const char WINDOW_KEY[KEY_BYTES] = "outflow.window";
static const char EXIT_DELAY_KEY[KEY_BYTES] = "exit.delay";

static u64 set_outflow_capacity(
    struct call *call, struct message *message, struct receiver *receiver
) {
    TRY(require_count(call, PLACES_OF_MESSAGE + PLACES_OF_LISTING + PLACES_OF_EVENTS));
    struct listing listing = {
        .payer = &call->accounts[PLACE_PAYER],
        .vault_account = &call->accounts[PLACE_VAULT],
        .vault = receiver->vault,
        .first = &call->accounts[PLACES_OF_MESSAGE],
    };
    TRY(read_listing(call, &listing));
    message->token = listing.mint.account->key;
    message->recipient = KEY(CAPACITY_KEY);
    TRY(accept_message(call, message, receiver));
    TRY(require_current(receiver->vault, receiver->set));
    if (!is_ours(call, listing.first)) {
        TRY(list_token(call, &listing, message->id));
    }
    struct asset *asset = 0;
    TRY(load_asset(call, listing.first, listing.vault_account, &asset));
    TRY(require_newest(&asset->capacity_nonce_min, message->nonce));
    return set_capacity(call, &listing, message->id, message->amount);
}

static u64 set_outflow_window(
    struct call *call, struct message *message, struct receiver *receiver
) {
    TRY(require_count(call, PLACES_OF_MESSAGE + 1 + PLACES_OF_EVENTS));
    const struct account *vault_account = &call->accounts[PLACE_VAULT];
    const struct account *asset_account = &call->accounts[PLACES_OF_MESSAGE];
    struct asset *asset = 0;
    TRY(require_writable(asset_account));
    TRY(load_asset(call, asset_account, vault_account, &asset));
    message->token = asset->mint;
    message->recipient = KEY(WINDOW_KEY);
    TRY(accept_message(call, message, receiver));
    TRY(require_current(receiver->vault, receiver->set));
    TRY(require_newest(&asset->window_nonce_min, message->nonce));
    u64 seconds = message->amount;
    REQUIRE(
        seconds >= WINDOW_SECONDS_MIN && seconds <= WINDOW_SECONDS_MAX, ERROR_PARAMETER_RANGE
    );
    TRY(outflow_set_window(&asset->outflow, seconds, call->now));

    struct event event;
    begin_event(&event, EVENT_WINDOW_CHANGED, vault_account);
    put_key(&event, message->id);
    put_key(&event, asset->mint);
    put_u64(&event, seconds);
    return print_event(call, receiver->vault, &event);
}

static u64 set_exit_delay(
    struct call *call, struct message *message, struct receiver *receiver
) {
    TRY(require_count(call, PLACES_OF_MESSAGE + PLACES_OF_EVENTS));
    struct vault *vault = receiver->vault;
    message->token = ZERO_KEY;
    message->recipient = KEY(EXIT_DELAY_KEY);
    TRY(accept_message(call, message, receiver));
    TRY(require_current(vault, receiver->set));
    TRY(require_newest(&vault->exit_delay_nonce_min, message->nonce));
    u64 seconds = message->amount;
    REQUIRE(
        seconds >= EXIT_DELAY_SECONDS_MIN && seconds <= EXIT_DELAY_SECONDS_MAX,
        ERROR_PARAMETER_RANGE
    );
    vault->exit_delay_seconds = seconds;

    struct event event;
    begin_event(&event, EVENT_EXIT_DELAY_CHANGED, &call->accounts[PLACE_VAULT]);
    put_key(&event, message->id);
    put_u64(&event, seconds);
    return print_event(call, vault, &event);
}

u64 set_parameter(struct call *call, struct message *message, struct receiver *receiver) {
    REQUIRE(call->input_length > MESSAGE_END, ERROR_INSTRUCTION_LENGTH);
    message->signatures_at = MESSAGE_END + 1;
    message->account = ZERO_KEY;
    switch (call->input[MESSAGE_END]) {
    case PARAMETER_CAPACITY:
        return set_outflow_capacity(call, message, receiver);
    case PARAMETER_WINDOW:
        return set_outflow_window(call, message, receiver);
    case PARAMETER_EXIT_DELAY:
        return set_exit_delay(call, message, receiver);
    default:
        return ERROR_PARAMETER_UNKNOWN;
    }
}
