// SPL Token and Token-2022: mints that are taken, token accounts, transfers.
#pragma once

#include "addresses.h"
#include "layout.h"

// A mint that was checked.
struct mint {
    const struct account *account;
    const struct account *program;
    u64 custody_length; // [bytes] of a token account of this mint
    u8 decimals;
};

// A transfer; `authority` signs, as a derived address of this program where `signer` is not 0.
struct transfer {
    const struct account *source;
    const struct account *mint;
    const struct account *destination;
    const struct account *authority;
    const struct account *program;
    const struct derived *signer;
    u64 amount; // [base units]
    u8 decimals;
};

// Refuse what is no mint, and a mint that lets somebody take, stop or hide tokens.
u64 check_mint(
    const struct account *account, const struct account *program, struct mint *mint
);

// Refuse what is no token account of the mint.
u64 require_token_account(
    const struct account *account, const struct account *program, const u8 *mint
);

// Return the wallet a token account belongs to, and how much is in it. [base units]
const u8 *token_wallet(const struct account *account);
u64 token_amount(const struct account *account);

// Refuse a destination that is not the associated token account of its wallet.
u64 require_associated(
    const struct account *destination, const struct account *program, const u8 *mint
);

// Turn an empty account into a token account.
u64 initialise_token_account(
    struct account *account, const struct mint *mint, const u8 *wallet
);

u64 transfer_tokens(const struct transfer *transfer);
