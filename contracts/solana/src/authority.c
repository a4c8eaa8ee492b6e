#include "authority.h"

static const char AUTHORITY_SEED[] = "authority";

static void begin_authority(const struct account *vault, struct derived *authority) {
    begin_seeds(authority, AUTHORITY_SEED, sizeof(AUTHORITY_SEED) - 1);
    add_seed(authority, vault->key, KEY_BYTES);
}

void find_authority(
    const struct call *call, const struct account *vault, struct derived *authority
) {
    begin_authority(vault, authority);
    find_address(authority, call->program_id);
}

u64 derive_authority(
    const struct call *call, const struct account *vault, u8 bump, struct derived *authority
) {
    begin_authority(vault, authority);
    return derive_address(authority, bump, call->program_id);
}
