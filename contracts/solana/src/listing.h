// Making a token known to a vault: its asset account and its custody account.
#pragma once

#include "layout.h"
#include "token.h"

// Accounts of a listing, in a row:
// +0. [writable] asset     ["asset", vault, mint]
// +1. [] mint
// +2. [writable] custody   ["custody", vault, mint]
// +3. [] authority         ["authority", vault]
// +4. [] token program
#define PLACES_OF_LISTING 5ul

struct listing {
    const struct account *payer;
    const struct account *vault_account;
    const struct vault *vault;
    struct account *first; // of the accounts above
    struct mint mint;
    struct derived asset_at;
    struct derived custody_at;
};

// Check the accounts of a listing, whether or not the token is listed.
u64 read_listing(struct call *call, struct listing *listing);

// Make the accounts and start the window a token starts with; capacity is left at zero.
u64 list_token(const struct call *call, struct listing *listing, const u8 *message_id);

// Set the capacity of a listed token.
u64 set_capacity(
    const struct call *call, struct listing *listing, const u8 *message_id, u64 capacity
);
