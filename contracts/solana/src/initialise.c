// Make a vault: its guardians and its limits. Once per hub key and initializer.
//
// 0. [signer, writable] initializer
// 1. [writable] vault               ["vault", hub key, initializer]
// 2. [writable] guardian set 0      ["guardians", vault, 0]
// 3. [] system program
// 4. [] events authority
// 5. [] this program
//
// data: tag u8 | hub key b32 | chain reference 32 letters | overlap u64 | exit delay u64 |
//       listing window u64 | threshold u8 | count u8 | members 20 bytes each

#include "instructions.h"

#include "authority.h"
#include "bytes.h"
#include "checks.h"
#include "errors.h"
#include "events.h"
#include "guardians.h"
#include "hash.h"
#include "set_address.h"

#define AT_HUB_KEY 1ul
#define AT_REFERENCE 33ul
#define AT_OVERLAP 65ul
#define AT_EXIT_DELAY 73ul
#define AT_WINDOW 81ul
#define AT_MEMBERS 89ul
#define REFERENCE_LETTERS 32ul

static const char VAULT_SEED[] = "vault";
static const char CHAIN_NAMESPACE[] = "solana:";
static const char DOMAIN_TYPE[] = "EIP712Domain(string name,string version,bytes32 salt)";
static const char DOMAIN_NAME[] = "CollateralRelayer";
static const char DOMAIN_VERSION[] = "1";

static int is_base58(u8 letter) {
    if (letter >= '1' && letter <= '9') {
        return 1;
    }
    if (letter >= 'A' && letter <= 'Z') {
        return letter != 'I' && letter != 'O';
    }
    return letter >= 'a' && letter <= 'z' && letter != 'l';
}

// Compute the key of this chain from its CAIP-2 reference.
static u64 chain_key(const u8 *reference, u8 *key) {
    for (u64 place = 0; place < REFERENCE_LETTERS; place++) {
        REQUIRE(is_base58(reference[place]), ERROR_CHAIN_REFERENCE);
    }
    struct slice parts[2] = {
        {CHAIN_NAMESPACE, sizeof(CHAIN_NAMESPACE) - 1}, {reference, REFERENCE_LETTERS}
    };
    keccak_of(parts, 2, key);
    return 0;
}

// Compute the EIP-712 domain: salt = keccak256(chain key | vault), and the vault's address binds
// this program.
static void domain_separator(const struct account *account, struct vault *vault) {
    u8 words[4 * KEY_BYTES];
    struct slice type = {DOMAIN_TYPE, sizeof(DOMAIN_TYPE) - 1};
    struct slice name = {DOMAIN_NAME, sizeof(DOMAIN_NAME) - 1};
    struct slice version = {DOMAIN_VERSION, sizeof(DOMAIN_VERSION) - 1};
    struct slice salt[2] = {{vault->chain_key, KEY_BYTES}, {account->key, KEY_BYTES}};
    keccak_of(&type, 1, words);
    keccak_of(&name, 1, words + KEY_BYTES);
    keccak_of(&version, 1, words + 2 * KEY_BYTES);
    keccak_of(salt, 2, words + 3 * KEY_BYTES);
    struct slice domain = {words, sizeof(words)};
    keccak_of(&domain, 1, vault->domain_separator);
}

static u64 create_vault(struct call *call, struct vault **vault) {
    struct account *account = &call->accounts[1];
    struct derived vault_at;
    begin_seeds(&vault_at, VAULT_SEED, sizeof(VAULT_SEED) - 1);
    add_seed(&vault_at, call->input + AT_HUB_KEY, KEY_BYTES);
    add_seed(&vault_at, call->accounts[0].key, KEY_BYTES);
    find_address(&vault_at, call->program_id);
    TRY(require_at(account, &vault_at));
    REQUIRE(!is_ours(call, account), ERROR_ALREADY_INITIALISED);
    struct creation creation = {
        &call->accounts[0], account, call->program_id, sizeof(struct vault)
    };
    TRY(create_account(&creation, &vault_at));
    *vault = (struct vault *)account->data;
    return 0;
}

static u64 fill_vault(struct call *call, struct vault *vault) {
    const u8 *input = call->input;
    const struct account *account = &call->accounts[1];
    vault->tag = TAG_VAULT;
    copy_key(vault->hub_key, input + AT_HUB_KEY);
    TRY(chain_key(input + AT_REFERENCE, vault->chain_key));
    copy_key(vault->initializer, call->accounts[0].key);
    domain_separator(account, vault);
    vault->overlap_seconds = read_u64(input + AT_OVERLAP);
    vault->exit_delay_seconds = read_u64(input + AT_EXIT_DELAY);
    vault->listing_window_seconds = read_u64(input + AT_WINDOW);
    vault->last_attested_at = call->now;
    REQUIRE(vault->overlap_seconds <= OVERLAP_SECONDS_MAX, ERROR_OVERLAP_TOO_LONG);
    REQUIRE(
        vault->exit_delay_seconds >= EXIT_DELAY_SECONDS_MIN
            && vault->exit_delay_seconds <= EXIT_DELAY_SECONDS_MAX,
        ERROR_PARAMETER_RANGE
    );
    REQUIRE(
        vault->listing_window_seconds >= WINDOW_SECONDS_MIN
            && vault->listing_window_seconds <= WINDOW_SECONDS_MAX,
        ERROR_PARAMETER_RANGE
    );
    struct derived authority;
    find_authority(call, account, &authority);
    vault->authority_bump = authority.bump;
    struct derived events;
    find_events_authority(call, &events);
    vault->events_bump = events.bump;
    return 0;
}

u64 initialise(struct call *call) {
    TRY(require_count(call, 6));
    REQUIRE(call->input_length >= AT_MEMBERS, ERROR_INSTRUCTION_LENGTH);
    TRY(require_key(&call->accounts[3], SYSTEM_PROGRAM));
    struct vault *vault = 0;
    TRY(create_vault(call, &vault));
    TRY(fill_vault(call, vault));

    const struct account *account = &call->accounts[1];
    struct guardian_set *set = 0;
    TRY(create_set(call, &call->accounts[2], 0, &set));
    struct member_list list = {call->input + AT_MEMBERS, call->input_length - AT_MEMBERS};
    TRY(set_members(set, &list));

    struct event rotated;
    begin_event(&rotated, EVENT_SET_ROTATED, account);
    put_key(&rotated, ZERO_KEY);
    put_set(&rotated, set, 0);
    TRY(print_event(call, vault, &rotated));
    struct event delay;
    begin_event(&delay, EVENT_EXIT_DELAY_CHANGED, account);
    put_key(&delay, ZERO_KEY);
    put_u64(&delay, vault->exit_delay_seconds);
    return print_event(call, vault, &delay);
}
