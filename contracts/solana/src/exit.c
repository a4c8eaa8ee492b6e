// Take out everything of a token, as opener of the account, while the guardians are silent.
// Pauses, capacities and windows do not hold it up.
//
// 0. [] vault
// 1. to 7. accounts of a payout (payout.h)
//    [signer] opener                only where the opener is a Solana key
// then:
// +0. [] events authority
// +1. [] this program
//
// data of an opener on Solana: tag u8 | salt b32
// data of a secp256k1 opener:  tag u8 | salt b32 | deadline u64 | signature 65 bytes, over
//   Exit(bytes32 account,bytes32 token,bytes32 recipient,uint64 deadline) in this vault's domain

#include "instructions.h"

#include "bytes.h"
#include "checks.h"
#include "errors.h"
#include "events.h"
#include "guardians.h"
#include "hash.h"
#include "payout.h"

#define VAULT 0
#define OPENER (1 + PLACES_OF_PAYOUT)
#define PLACES_OF_EVENTS 2
#define AT_SALT 1ul
#define AT_DEADLINE 33ul
#define AT_SIGNATURE 41ul

static const char ACCOUNT_TAG[] = "relayer.account.v1";
static const char EXIT_TYPE[] =
    "Exit(bytes32 account,bytes32 token,bytes32 recipient,uint64 deadline)";

static u64 read_exit(struct call *call, struct payout *payout) {
    const struct account *vault_account = &call->accounts[VAULT];
    struct vault *vault = 0;
    TRY(load_vault(call, vault_account, &vault));
    TRY(read_payout(call, vault_account, vault, 1, payout));
    u64 allowed_after = 0;
    REQUIRE(
        !add_checked(vault->last_attested_at, vault->exit_delay_seconds, &allowed_after),
        ERROR_OVERFLOW
    );
    REQUIRE(call->now > allowed_after, ERROR_EXIT_TOO_EARLY);
    return require_recipient(payout);
}

// Refuse an opener of another account: account = keccak256(tag | opener | salt).
static u64 require_opener(
    const struct call *call, const struct payout *payout, const u8 *opener
) {
    u8 tag[KEY_BYTES];
    struct slice text = {ACCOUNT_TAG, sizeof(ACCOUNT_TAG) - 1};
    keccak_of(&text, 1, tag);
    struct slice parts[3] = {
        {tag, KEY_BYTES}, {opener, KEY_BYTES}, {call->input + AT_SALT, KEY_BYTES}
    };
    u8 account[KEY_BYTES];
    keccak_of(parts, 3, account);
    REQUIRE(is_same_key(account, payout->position->account), ERROR_NOT_OPENER);
    return 0;
}

static u64 leave(struct call *call, struct payout *payout, const u8 *opener) {
    TRY(require_opener(call, payout, opener));
    u64 units = payout->position->units;
    REQUIRE(units != 0, ERROR_AMOUNT_ZERO);
    debit(payout, units);

    struct event event;
    begin_event(&event, EVENT_EXITED, payout->vault_account);
    put_key(&event, payout->position->account);
    put_key(&event, payout->asset->mint);
    put_key(&event, opener);
    put_key(&event, payout->recipient);
    put_u64(&event, units);
    put_u64(&event, payout->asset->held);
    TRY(print_event(call, payout->vault, &event));
    return send_payout(call, payout, units);
}

u64 exit_by_opener(struct call *call) {
    TRY(require_count(call, OPENER + 1 + PLACES_OF_EVENTS));
    REQUIRE(call->input_length == AT_DEADLINE, ERROR_INSTRUCTION_LENGTH);
    TRY(require_signer(&call->accounts[OPENER]));
    struct payout payout;
    TRY(read_exit(call, &payout));
    return leave(call, &payout, call->accounts[OPENER].key);
}

// Compute what a secp256k1 opener signs.
static void exit_digest(const struct call *call, const struct payout *payout, u8 *digest) {
    u8 type_hash[KEY_BYTES];
    struct slice type = {EXIT_TYPE, sizeof(EXIT_TYPE) - 1};
    keccak_of(&type, 1, type_hash);
    u8 pad[KEY_BYTES - sizeof(u64)] = {0};
    struct slice parts[6] = {
        {type_hash, KEY_BYTES},
        {payout->position->account, KEY_BYTES},
        {payout->asset->mint, KEY_BYTES},
        {payout->recipient, KEY_BYTES},
        {pad, sizeof(pad)},
        {call->input + AT_DEADLINE, sizeof(u64)},
    };
    u8 struct_hash[KEY_BYTES];
    keccak_of(parts, 6, struct_hash);
    typed_digest(payout->vault, struct_hash, digest);
}

u64 exit_by_signature(struct call *call) {
    TRY(require_count(call, 1 + PLACES_OF_PAYOUT + PLACES_OF_EVENTS));
    REQUIRE(
        call->input_length == AT_SIGNATURE + SIGNATURE_BYTES, ERROR_INSTRUCTION_LENGTH
    );
    struct payout payout;
    TRY(read_exit(call, &payout));
    REQUIRE(call->now <= read_u64(call->input + AT_DEADLINE), ERROR_EXPIRED);
    u8 digest[KEY_BYTES];
    exit_digest(call, &payout, digest);
    u8 opener[KEY_BYTES] = {0};
    TRY(recover_signer(
        digest, call->input + AT_SIGNATURE, opener + KEY_BYTES - ADDRESS_BYTES
    ));
    return leave(call, &payout, opener);
}
