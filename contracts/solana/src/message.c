#include "message.h"

#include "addresses.h"
#include "bytes.h"
#include "checks.h"
#include "errors.h"
#include "guardians.h"
#include "hash.h"

#define MESSAGE_VERSION 1
#define NUMBER_PAD 24ul // of a u256 whose value has 64 bits
#define NUMBER_MAX 0xFFFFFFFFFFFFFFFFul

static const char EXECUTED_SEED[] = "executed";

u64 read_message(struct call *call, struct message *message, struct receiver *receiver) {
    REQUIRE(call->input_length >= MESSAGE_END, ERROR_INSTRUCTION_LENGTH);
    message->kind = call->input[MESSAGE_AT_KIND];
    message->nonce = read_u64(call->input + MESSAGE_AT_NONCE);
    message->amount = read_u64(call->input + MESSAGE_AT_AMOUNT);
    message->expiry = read_u64(call->input + MESSAGE_AT_EXPIRY);
    message->signatures_at = MESSAGE_END;

    REQUIRE(call->count >= PLACES_OF_MESSAGE + PLACES_OF_EVENTS, ERROR_ACCOUNT_COUNT);
    const struct account *vault = &call->accounts[PLACE_VAULT];
    TRY(require_signer(&call->accounts[PLACE_PAYER]));
    TRY(require_writable(vault));
    TRY(load_vault(call, vault, &receiver->vault));
    REQUIRE(receiver->vault->is_sealed, ERROR_NOT_SEALED);
    TRY(load_set(call, &call->accounts[PLACE_SET], vault, &receiver->set));
    return require_key(&call->accounts[PLACE_SYSTEM], SYSTEM_PROGRAM);
}

// Compute the id: keccak256 of the 278 canonical bytes.
static void identify(
    const struct call *call, const struct vault *vault, struct message *message
) {
    u8 head[2] = {MESSAGE_VERSION, (u8)message->kind};
    u8 pad[NUMBER_PAD] = {0};
    const struct slice parts[] = {
        {head, sizeof(head)},
        {vault->hub_key, KEY_BYTES},
        {vault->chain_key, KEY_BYTES},
        {call->accounts[PLACE_VAULT].key, KEY_BYTES},
        {call->input + MESSAGE_AT_NONCE, sizeof(u64)},
        {message->account, KEY_BYTES},
        {message->token, KEY_BYTES},
        {pad, sizeof(pad)},
        {call->input + MESSAGE_AT_AMOUNT, sizeof(u64)},
        {message->recipient, KEY_BYTES},
        {call->input + MESSAGE_AT_EXPIRY, MESSAGE_END - MESSAGE_AT_EXPIRY},
    };
    keccak_of(parts, sizeof(parts) / sizeof(parts[0]), message->id);
}

u64 accept_message(struct call *call, struct message *message, struct receiver *receiver) {
    identify(call, receiver->vault, message);
    REQUIRE(call->now <= message->expiry, ERROR_EXPIRED);

    struct account *account = &call->accounts[PLACE_EXECUTED];
    struct derived executed_at;
    begin_seeds(&executed_at, EXECUTED_SEED, sizeof(EXECUTED_SEED) - 1);
    add_seed(&executed_at, call->accounts[PLACE_VAULT].key, KEY_BYTES);
    add_seed(&executed_at, message->id, KEY_BYTES);
    find_address(&executed_at, call->program_id);
    TRY(require_at(account, &executed_at));
    // Nothing but this function makes an account at this address, and nothing closes one.
    REQUIRE(!is_ours(call, account), ERROR_ALREADY_EXECUTED);

    struct attestation attestation = {
        message->id,
        call->input + message->signatures_at,
        call->input_length - message->signatures_at,
    };
    TRY(verify_attestation(receiver->vault, receiver->set, &attestation, call->now));

    struct creation creation = {
        &call->accounts[PLACE_PAYER], account, call->program_id, sizeof(struct executed)
    };
    TRY(create_account(&creation, &executed_at));
    struct executed *executed = (struct executed *)account->data;
    executed->tag = TAG_EXECUTED;
    copy_key(executed->message_id, message->id);
    executed->executed_at = call->now;
    receiver->vault->last_attested_at = call->now;
    return 0;
}

u64 require_newest(struct nonce_min *nonce_min, u64 nonce) {
    REQUIRE(!nonce_min->is_beyond && nonce >= nonce_min->lowest, ERROR_NONCE_OUTDATED);
    nonce_min->is_beyond = nonce == NUMBER_MAX;
    nonce_min->lowest = nonce + 1;
    return 0;
}
