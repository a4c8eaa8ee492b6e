#include "set_address.h"

#include "addresses.h"
#include "bytes.h"
#include "guardians.h"

static const char SET_SEED[] = "guardians";

u64 create_set(
    struct call *call, struct account *account, u32 index, struct guardian_set **set
) {
    u8 index_bytes[sizeof(u32)];
    write_u32(index_bytes, index);
    struct derived set_at;
    begin_seeds(&set_at, SET_SEED, sizeof(SET_SEED) - 1);
    add_seed(&set_at, call->accounts[1].key, KEY_BYTES);
    add_seed(&set_at, index_bytes, sizeof(index_bytes));
    find_address(&set_at, call->program_id);
    TRY(require_at(account, &set_at));
    struct creation creation = {
        &call->accounts[0], account, call->program_id, sizeof(struct guardian_set)
    };
    TRY(create_account(&creation, &set_at));
    *set = (struct guardian_set *)account->data;
    (*set)->tag = TAG_GUARDIANS;
    copy_key((*set)->vault, call->accounts[1].key);
    (*set)->index = index;
    (*set)->valid_until = FOREVER;
    return 0;
}
