// Release or seize.
//
// 0. to 4. accounts of a message (execute.c)
// 5. to 11. accounts of a payout (payout.h)
// 12. [] events authority
// 13. [] this program
//
// The message's account is the position's, its token the mint, its recipient the wallet that the
// destination belongs to; so none of them is in the data.

#include "kinds.h"

#include "checks.h"
#include "errors.h"
#include "events.h"
#include "instructions.h"
#include "outflow.h"
#include "payout.h"

u64 pay(struct call *call, struct message *message, struct receiver *receiver) {
    TRY(require_count(call, PLACES_OF_MESSAGE + PLACES_OF_PAYOUT + PLACES_OF_EVENTS));
    const struct account *vault_account = &call->accounts[PLACE_VAULT];
    struct payout payout;
    TRY(read_payout(call, vault_account, receiver->vault, PLACES_OF_MESSAGE, &payout));
    struct asset *asset = payout.asset;
    struct position *position = payout.position;
    message->account = position->account;
    message->token = asset->mint;
    message->recipient = payout.recipient;
    TRY(accept_message(call, message, receiver));

    u64 units = message->amount;
    TRY(require_recipient(&payout));
    REQUIRE(units != 0, ERROR_AMOUNT_ZERO);
    REQUIRE(
        ((receiver->vault->pause_flags | asset->pause_flags) & PAUSE_OUTFLOW) == 0, ERROR_PAUSED
    );
    REQUIRE(units <= position->units, ERROR_INSUFFICIENT);
    TRY(outflow_consume(&asset->outflow, units, call->now));
    debit(&payout, units);

    int is_release = message->kind == MESSAGE_RELEASE;
    struct event event;
    begin_event(&event, is_release ? EVENT_RELEASED : EVENT_SEIZED, vault_account);
    put_key(&event, message->id);
    put_key(&event, position->account);
    put_key(&event, asset->mint);
    put_key(&event, payout.recipient);
    put_u64(&event, units);
    put_u64(&event, asset->held);
    TRY(print_event(call, receiver->vault, &event));
    return send_payout(call, &payout, units);
}
