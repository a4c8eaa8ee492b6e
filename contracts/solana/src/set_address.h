// Where a vault's guardian sets are kept.
#pragma once

#include "layout.h"

// Make the account of the set with an index, valid forever and still without members. Payer is
// account 0, the vault account 1.
u64 create_set(
    struct call *call, struct account *account, u32 index, struct guardian_set **set
);
