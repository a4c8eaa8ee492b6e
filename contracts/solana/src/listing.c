#include "listing.h"

#include "authority.h"
#include "bytes.h"
#include "checks.h"
#include "errors.h"
#include "events.h"
#include "outflow.h"

#define ASSET 0
#define MINT 1
#define CUSTODY 2
#define AUTHORITY 3
#define TOKEN_PROGRAM_PLACE 4

static const char ASSET_SEED[] = "asset";
static const char CUSTODY_SEED[] = "custody";

u64 read_listing(struct call *call, struct listing *listing) {
    struct account *first = listing->first;
    const u8 *vault = listing->vault_account->key;
    TRY(require_writable(&first[ASSET]));
    TRY(require_writable(&first[CUSTODY]));
    TRY(check_mint(&first[MINT], &first[TOKEN_PROGRAM_PLACE], &listing->mint));

    begin_seeds(&listing->asset_at, ASSET_SEED, sizeof(ASSET_SEED) - 1);
    add_seed(&listing->asset_at, vault, KEY_BYTES);
    add_seed(&listing->asset_at, first[MINT].key, KEY_BYTES);
    find_address(&listing->asset_at, call->program_id);
    TRY(require_at(&first[ASSET], &listing->asset_at));

    begin_seeds(&listing->custody_at, CUSTODY_SEED, sizeof(CUSTODY_SEED) - 1);
    add_seed(&listing->custody_at, vault, KEY_BYTES);
    add_seed(&listing->custody_at, first[MINT].key, KEY_BYTES);
    find_address(&listing->custody_at, call->program_id);
    TRY(require_at(&first[CUSTODY], &listing->custody_at));

    struct derived authority;
    TRY(derive_authority(
        call, listing->vault_account, listing->vault->authority_bump, &authority
    ));
    return require_at(&first[AUTHORITY], &authority);
}

u64 list_token(const struct call *call, struct listing *listing, const u8 *message_id) {
    struct account *first = listing->first;
    struct creation asset_creation = {
        listing->payer, &first[ASSET], call->program_id, sizeof(struct asset)
    };
    TRY(create_account(&asset_creation, &listing->asset_at));
    struct creation custody_creation = {
        listing->payer, &first[CUSTODY], listing->mint.program->key, listing->mint.custody_length
    };
    TRY(create_account(&custody_creation, &listing->custody_at));
    TRY(initialise_token_account(&first[CUSTODY], &listing->mint, first[AUTHORITY].key));

    struct asset *asset = (struct asset *)first[ASSET].data;
    asset->tag = TAG_ASSET;
    copy_key(asset->vault, listing->vault_account->key);
    copy_key(asset->mint, first[MINT].key);
    copy_key(asset->token_program, listing->mint.program->key);
    copy_key(asset->custody, first[CUSTODY].key);
    asset->decimals = listing->mint.decimals;
    u64 window_seconds = listing->vault->listing_window_seconds;
    TRY(outflow_set_window(&asset->outflow, window_seconds, call->now));

    struct event event;
    begin_event(&event, EVENT_WINDOW_CHANGED, listing->vault_account);
    put_key(&event, message_id);
    put_key(&event, asset->mint);
    put_u64(&event, window_seconds);
    return print_event(call, listing->vault, &event);
}

u64 set_capacity(
    const struct call *call, struct listing *listing, const u8 *message_id, u64 capacity
) {
    struct asset *asset = (struct asset *)listing->first[ASSET].data;
    asset->outflow.capacity = capacity;
    struct event event;
    begin_event(&event, EVENT_CAPACITY_CHANGED, listing->vault_account);
    put_key(&event, message_id);
    put_key(&event, asset->mint);
    put_u64(&event, capacity);
    return print_event(call, listing->vault, &event);
}
