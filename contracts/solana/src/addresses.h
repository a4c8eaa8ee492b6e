// Addresses that only this program can sign for, and accounts made at them.
#pragma once

#include "abi.h"

#define SEEDS_MAX 5ul

extern const u8 SYSTEM_PROGRAM[KEY_BYTES];
extern const u8 ASSOCIATED_TOKEN_PROGRAM[KEY_BYTES];

// A derived address. Seeds point to where they are kept; the bump is the last of them.
struct derived {
    struct slice seeds[SEEDS_MAX];
    u64 count;
    u8 bump;
    u8 key[KEY_BYTES];
};

// An account to make at a derived address.
struct creation {
    const struct account *payer;
    struct account *account;
    const u8 *owner;
    u64 length; // [bytes]
};

// Begin the seeds with a name.
void begin_seeds(struct derived *derived, const char *name, u64 length);
void add_seed(struct derived *derived, const void *start, u64 length);

// Find the address with the highest bump, which is the only one that counts.
void find_address(struct derived *derived, const u8 *program_id);

// Compute the address of a bump that was found before; ERROR_ACCOUNT_WRONG_KEY if there is none.
u64 derive_address(struct derived *derived, u8 bump, const u8 *program_id);

// Refuse an account at another address.
u64 require_at(const struct account *account, const struct derived *derived);

// Make an account. Lamports that somebody sent to the address before do not stop it.
u64 create_account(const struct creation *creation, const struct derived *derived);

// Call another program; `signer` is a derived address that signs, or none.
u64 invoke(
    const struct instruction *instruction,
    const struct account *const *accounts,
    const struct derived *signer
);
