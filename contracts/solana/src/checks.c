#include "checks.h"

#include "bytes.h"
#include "errors.h"

u64 require_count(const struct call *call, u64 count) {
    REQUIRE(call->count == count, ERROR_ACCOUNT_COUNT);
    return 0;
}

u64 require_signer(const struct account *account) {
    REQUIRE(account->is_signer, ERROR_ACCOUNT_NOT_SIGNER);
    return 0;
}

u64 require_writable(const struct account *account) {
    REQUIRE(account->is_writable, ERROR_ACCOUNT_NOT_WRITABLE);
    return 0;
}

u64 require_key(const struct account *account, const u8 *key) {
    REQUIRE(is_same_key(account->key, key), ERROR_ACCOUNT_WRONG_KEY);
    return 0;
}

int is_ours(const struct call *call, const struct account *account) {
    return is_same_key(account->owner, call->program_id);
}

// Refuse an account of another owner, length or type.
static u64 load(const struct call *call, const struct account *account, u64 tag, u64 length) {
    REQUIRE(is_ours(call, account), ERROR_ACCOUNT_WRONG_OWNER);
    REQUIRE(*account->length == length, ERROR_ACCOUNT_WRONG_LENGTH);
    REQUIRE(*(const u64 *)account->data == tag, ERROR_ACCOUNT_WRONG_TAG);
    return 0;
}

u64 load_vault(const struct call *call, const struct account *account, struct vault **vault) {
    TRY(load(call, account, TAG_VAULT, sizeof(struct vault)));
    *vault = (struct vault *)account->data;
    return 0;
}

u64 load_staged(
    const struct call *call,
    const struct account *account,
    const struct account *vault,
    struct guardian_set **set
) {
    TRY(load(call, account, TAG_STAGED, sizeof(struct guardian_set)));
    *set = (struct guardian_set *)account->data;
    REQUIRE(is_same_key((*set)->vault, vault->key), ERROR_ACCOUNT_OTHER_VAULT);
    return 0;
}

u64 load_set(
    const struct call *call,
    const struct account *account,
    const struct account *vault,
    struct guardian_set **set
) {
    REQUIRE(is_ours(call, account), ERROR_SET_UNKNOWN);
    TRY(load(call, account, TAG_GUARDIANS, sizeof(struct guardian_set)));
    *set = (struct guardian_set *)account->data;
    REQUIRE(is_same_key((*set)->vault, vault->key), ERROR_ACCOUNT_OTHER_VAULT);
    return 0;
}

u64 load_asset(
    const struct call *call,
    const struct account *account,
    const struct account *vault,
    struct asset **asset
) {
    // Nothing is kept at the address of a token that was never listed.
    REQUIRE(is_ours(call, account), ERROR_TOKEN_NOT_LISTED);
    TRY(load(call, account, TAG_ASSET, sizeof(struct asset)));
    *asset = (struct asset *)account->data;
    REQUIRE(is_same_key((*asset)->vault, vault->key), ERROR_ACCOUNT_OTHER_VAULT);
    return 0;
}

u64 load_position(
    const struct call *call,
    const struct account *account,
    const struct asset *asset,
    struct position **position
) {
    TRY(load(call, account, TAG_POSITION, sizeof(struct position)));
    *position = (struct position *)account->data;
    REQUIRE(is_same_key((*position)->vault, asset->vault), ERROR_ACCOUNT_OTHER_VAULT);
    REQUIRE(is_same_key((*position)->mint, asset->mint), ERROR_ACCOUNT_OTHER_MINT);
    return 0;
}
