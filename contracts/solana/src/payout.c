#include "payout.h"

#include "authority.h"
#include "bytes.h"
#include "checks.h"
#include "errors.h"

#define ASSET 0
#define MINT 1
#define CUSTODY 2
#define POSITION 3
#define DESTINATION 4
#define AUTHORITY 5
#define TOKEN_PROGRAM_PLACE 6

u64 read_payout(
    const struct call *call,
    const struct account *vault_account,
    const struct vault *vault,
    u64 place,
    struct payout *payout
) {
    const struct account *first = &call->accounts[place];
    payout->vault_account = vault_account;
    payout->vault = vault;
    payout->first = first;
    TRY(require_writable(&first[ASSET]));
    TRY(require_writable(&first[CUSTODY]));
    TRY(require_writable(&first[POSITION]));
    TRY(require_writable(&first[DESTINATION]));
    TRY(load_asset(call, &first[ASSET], vault_account, &payout->asset));
    const struct asset *asset = payout->asset;
    REQUIRE(is_same_key(first[MINT].key, asset->mint), ERROR_ACCOUNT_OTHER_MINT);
    TRY(require_key(&first[CUSTODY], asset->custody));
    TRY(require_key(&first[TOKEN_PROGRAM_PLACE], asset->token_program));
    TRY(load_position(call, &first[POSITION], asset, &payout->position));
    struct derived authority;
    TRY(derive_authority(call, vault_account, vault->authority_bump, &authority));
    TRY(require_at(&first[AUTHORITY], &authority));

    const struct account *destination = &first[DESTINATION];
    const struct account *token_program = &first[TOKEN_PROGRAM_PLACE];
    TRY(require_token_account(destination, token_program, asset->mint));
    TRY(require_associated(destination, token_program, asset->mint));
    payout->recipient = token_wallet(destination);
    return 0;
}

u64 require_recipient(const struct payout *payout) {
    const u8 *recipient = payout->recipient;
    REQUIRE(!is_zero_key(recipient), ERROR_RECIPIENT_INVALID);
    REQUIRE(!is_same_key(recipient, payout->vault_account->key), ERROR_RECIPIENT_INVALID);
    REQUIRE(!is_same_key(recipient, payout->first[AUTHORITY].key), ERROR_RECIPIENT_INVALID);
    return 0;
}

void debit(struct payout *payout, u64 units) {
    payout->position->units -= units;
    payout->asset->held -= units;
}

u64 send_payout(const struct call *call, const struct payout *payout, u64 units) {
    const struct account *first = payout->first;
    struct derived authority;
    TRY(derive_authority(
        call, payout->vault_account, payout->vault->authority_bump, &authority
    ));
    u64 amount_before = token_amount(&first[CUSTODY]);
    struct transfer transfer = {
        .source = &first[CUSTODY],
        .mint = &first[MINT],
        .destination = &first[DESTINATION],
        .authority = &first[AUTHORITY],
        .program = &first[TOKEN_PROGRAM_PLACE],
        .signer = &authority,
        .amount = units,
        .decimals = payout->asset->decimals,
    };
    TRY(transfer_tokens(&transfer));
    // The surplus would be the other owners'.
    REQUIRE(token_amount(&first[CUSTODY]) == amount_before - units, ERROR_OVERPAID);
    return 0;
}
