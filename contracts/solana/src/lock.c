// Lock collateral for a margin account; what really arrives is credited. Anyone may lock for any
// account.
//
// 0. [signer, writable] payer       pays for a new position
// 1. [signer] depositor             authority of the source, may be the payer
// 2. [writable] vault
// 3. [writable] asset               ["asset", vault, mint]
// 4. [] mint
// 5. [writable] custody             ["custody", vault, mint]
// 6. [writable] position            ["position", vault, account, mint]
// 7. [writable] source              token account
// 8. [] token program
// 9. [] system program
// 10. [] events authority
// 11. [] this program
//
// data: tag u8 | account b32 | amount u64

#include "instructions.h"

#include "bytes.h"
#include "checks.h"
#include "errors.h"
#include "events.h"
#include "token.h"

#define AT_ACCOUNT 1ul
#define AT_AMOUNT 33ul
#define INPUT_END 41ul
#define PAYER 0
#define DEPOSITOR 1
#define VAULT 2
#define ASSET 3
#define MINT 4
#define CUSTODY 5
#define POSITION 6
#define SOURCE 7
#define TOKEN_PROGRAM_PLACE 8
#define SYSTEM 9
#define COUNT 12

static const char POSITION_SEED[] = "position";

static u64 check_accounts(struct call *call, struct vault **vault, struct asset **asset) {
    const struct account *accounts = call->accounts;
    TRY(require_signer(&accounts[PAYER]));
    TRY(require_signer(&accounts[DEPOSITOR]));
    TRY(require_writable(&accounts[VAULT]));
    TRY(require_writable(&accounts[ASSET]));
    TRY(require_writable(&accounts[CUSTODY]));
    TRY(require_writable(&accounts[POSITION]));
    TRY(require_writable(&accounts[SOURCE]));
    TRY(load_vault(call, &accounts[VAULT], vault));
    REQUIRE((*vault)->is_sealed, ERROR_NOT_SEALED);
    TRY(load_asset(call, &accounts[ASSET], &accounts[VAULT], asset));
    REQUIRE(is_same_key(accounts[MINT].key, (*asset)->mint), ERROR_ACCOUNT_OTHER_MINT);
    TRY(require_key(&accounts[CUSTODY], (*asset)->custody));
    TRY(require_key(&accounts[TOKEN_PROGRAM_PLACE], (*asset)->token_program));
    TRY(require_token_account(
        &accounts[SOURCE], &accounts[TOKEN_PROGRAM_PLACE], (*asset)->mint
    ));
    return require_key(&accounts[SYSTEM], SYSTEM_PROGRAM);
}

// Load the position, or make it with no units.
static u64 open_position(
    struct call *call, const struct asset *asset, struct position **position
) {
    struct account *account = &call->accounts[POSITION];
    const u8 *owner = call->input + AT_ACCOUNT;
    struct derived position_at;
    begin_seeds(&position_at, POSITION_SEED, sizeof(POSITION_SEED) - 1);
    add_seed(&position_at, call->accounts[VAULT].key, KEY_BYTES);
    add_seed(&position_at, owner, KEY_BYTES);
    add_seed(&position_at, asset->mint, KEY_BYTES);
    find_address(&position_at, call->program_id);
    TRY(require_at(account, &position_at));
    if (is_ours(call, account)) {
        return load_position(call, account, asset, position);
    }
    struct creation creation = {
        &call->accounts[PAYER], account, call->program_id, sizeof(struct position)
    };
    TRY(create_account(&creation, &position_at));
    *position = (struct position *)account->data;
    (*position)->tag = TAG_POSITION;
    copy_key((*position)->vault, asset->vault);
    copy_key((*position)->account, owner);
    copy_key((*position)->mint, asset->mint);
    return 0;
}

// Pull the amount; return what really came.
static u64 receive(struct call *call, const struct asset *asset, u64 *received) {
    const struct account *accounts = call->accounts;
    u64 amount_before = token_amount(&accounts[CUSTODY]);
    struct transfer transfer = {
        .source = &accounts[SOURCE],
        .mint = &accounts[MINT],
        .destination = &accounts[CUSTODY],
        .authority = &accounts[DEPOSITOR],
        .program = &accounts[TOKEN_PROGRAM_PLACE],
        .signer = 0,
        .amount = read_u64(call->input + AT_AMOUNT),
        .decimals = asset->decimals,
    };
    TRY(transfer_tokens(&transfer));
    u64 amount = token_amount(&accounts[CUSTODY]);
    REQUIRE(amount > amount_before, ERROR_AMOUNT_ZERO);
    *received = amount - amount_before;
    return 0;
}

u64 lock(struct call *call) {
    TRY(require_count(call, COUNT));
    REQUIRE(call->input_length == INPUT_END, ERROR_INSTRUCTION_LENGTH);
    const u8 *owner = call->input + AT_ACCOUNT;
    REQUIRE(!is_zero_key(owner), ERROR_ACCOUNT_ZERO);
    struct vault *vault = 0;
    struct asset *asset = 0;
    TRY(check_accounts(call, &vault, &asset));
    REQUIRE(asset->outflow.capacity != 0, ERROR_TOKEN_NOT_LISTED);
    REQUIRE(((vault->pause_flags | asset->pause_flags) & PAUSE_LOCKS) == 0, ERROR_PAUSED);
    struct position *position = 0;
    TRY(open_position(call, asset, &position));

    u64 received = 0;
    TRY(receive(call, asset, &received));
    REQUIRE(!add_checked(asset->held, received, &asset->held), ERROR_OVERFLOW);
    REQUIRE(!add_checked(position->units, received, &position->units), ERROR_OVERFLOW);
    REQUIRE(!add_checked(vault->lock_count, 1, &vault->lock_count), ERROR_OVERFLOW);

    struct event event;
    begin_event(&event, EVENT_LOCKED, &call->accounts[VAULT]);
    put_u64(&event, vault->lock_count);
    put_key(&event, owner);
    put_key(&event, asset->mint);
    put_key(&event, call->accounts[DEPOSITOR].key);
    put_u64(&event, received);
    put_u64(&event, asset->held);
    return print_event(call, vault, &event);
}
