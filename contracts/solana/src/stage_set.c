// Write down the set that a rotation will name by its hash, so that the rotation itself has room
// for signatures. Anyone may: a staged set means nothing until a quorum signs its hash.
//
// 0. [signer, writable] payer
// 1. [] vault
// 2. [writable] staged set          ["staged", vault, hash of the set]
// 3. [] system program
//
// data: tag u8 | index u32 | threshold u8 | count u8 | members 20 bytes each

#include "instructions.h"

#include "addresses.h"
#include "bytes.h"
#include "checks.h"
#include "errors.h"
#include "guardians.h"

#define AT_INDEX 1ul
#define AT_MEMBERS 5ul

static const char STAGED_SEED[] = "staged";

u64 stage_set(struct call *call) {
    TRY(require_count(call, 4));
    REQUIRE(call->input_length >= AT_MEMBERS, ERROR_INSTRUCTION_LENGTH);
    struct vault *vault = 0;
    TRY(load_vault(call, &call->accounts[1], &vault));
    TRY(require_key(&call->accounts[3], SYSTEM_PROGRAM));
    struct guardian_set set = {
        .tag = TAG_STAGED, .index = read_u32(call->input + AT_INDEX), .valid_until = FOREVER
    };
    copy_key(set.vault, call->accounts[1].key);
    struct member_list list = {call->input + AT_MEMBERS, call->input_length - AT_MEMBERS};
    TRY(set_members(&set, &list));

    u8 hash[KEY_BYTES];
    set_hash(&set, hash);
    struct derived staged_at;
    begin_seeds(&staged_at, STAGED_SEED, sizeof(STAGED_SEED) - 1);
    add_seed(&staged_at, call->accounts[1].key, KEY_BYTES);
    add_seed(&staged_at, hash, KEY_BYTES);
    find_address(&staged_at, call->program_id);
    struct account *account = &call->accounts[2];
    TRY(require_at(account, &staged_at));
    REQUIRE(!is_ours(call, account), ERROR_ALREADY_INITIALISED);
    struct creation creation = {
        &call->accounts[0], account, call->program_id, sizeof(struct guardian_set)
    };
    TRY(create_account(&creation, &staged_at));
    *(struct guardian_set *)account->data = set;
    return 0;
}
