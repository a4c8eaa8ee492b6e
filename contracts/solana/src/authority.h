// The address that owns a vault's custody accounts.
#pragma once

#include "addresses.h"

void find_authority(
    const struct call *call, const struct account *vault, struct derived *authority
);

u64 derive_authority(
    const struct call *call, const struct account *vault, u8 bump, struct derived *authority
);
