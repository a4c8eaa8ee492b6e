// What leaves the vault: one position pays one wallet.
#pragma once

#include "layout.h"
#include "token.h"

// Accounts of a payout, in a row:
// +0. [writable] asset             ["asset", vault, mint]
// +1. [] mint
// +2. [writable] custody           ["custody", vault, mint]
// +3. [writable] position          ["position", vault, account, mint]
// +4. [writable] destination       associated token account of the recipient
// +5. [] authority                 ["authority", vault]
// +6. [] token program
#define PLACES_OF_PAYOUT 7ul

struct payout {
    const struct account *vault_account;
    const struct vault *vault;
    struct asset *asset;
    struct position *position;
    const u8 *recipient; // the wallet
    const struct account *first; // of the accounts above
};

// Check the accounts of a payout, the first of which stands at a place.
u64 read_payout(
    const struct call *call,
    const struct account *vault_account,
    const struct vault *vault,
    u64 place,
    struct payout *payout
);

// Refuse recipients that would lose the payment.
u64 require_recipient(const struct payout *payout);

// Take units off the books; the caller has checked that they are there.
void debit(struct payout *payout, u64 units);

// Pay out, and refuse a token that takes another amount from the vault than was paid.
u64 send_payout(const struct call *call, const struct payout *payout, u64 units);
