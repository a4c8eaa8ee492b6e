// What only the initializer may do, and only until the vault is sealed.
#pragma once

#include "bytes.h"
#include "errors.h"
#include "layout.h"

static inline u64 require_initializer(
    const struct account *account, const struct vault *vault
) {
    REQUIRE(account->is_signer, ERROR_ACCOUNT_NOT_SIGNER);
    REQUIRE(is_same_key(account->key, vault->initializer), ERROR_NOT_INITIALIZER);
    REQUIRE(!vault->is_sealed, ERROR_SEALED);
    return 0;
}
