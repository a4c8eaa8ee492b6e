// Checks of accounts before they are used. The `load` functions refuse an account of another
// owner, length or type, and, where there is one, of another vault.
#pragma once

#include "abi.h"
#include "layout.h"

u64 require_count(const struct call *call, u64 count);
u64 require_signer(const struct account *account);
u64 require_writable(const struct account *account);
u64 require_key(const struct account *account, const u8 *key);

// Whether an account was already made by this program.
int is_ours(const struct call *call, const struct account *account);

u64 load_vault(const struct call *call, const struct account *account, struct vault **vault);
u64 load_staged(
    const struct call *call,
    const struct account *account,
    const struct account *vault,
    struct guardian_set **set
);
u64 load_set(
    const struct call *call,
    const struct account *account,
    const struct account *vault,
    struct guardian_set **set
);
u64 load_asset(
    const struct call *call,
    const struct account *account,
    const struct account *vault,
    struct asset **asset
);
u64 load_position(
    const struct call *call,
    const struct account *account,
    const struct asset *asset,
    struct position **position
);
