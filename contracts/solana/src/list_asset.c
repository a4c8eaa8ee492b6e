// List a token, by the initializer and only until the vault is sealed; later a parameter message
// does the same.
//
// 0. [signer, writable] initializer
// 1. [] vault
// 2. to 6. accounts of a listing (listing.h)
// 7. [] system program
// 8. [] events authority
// 9. [] this program
//
// data: tag u8 | capacity u64

#include "instructions.h"

#include "bytes.h"
#include "checks.h"
#include "errors.h"
#include "events.h"
#include "initializer.h"
#include "listing.h"

#define AT_CAPACITY 1ul
#define INPUT_END 9ul

u64 list_asset(struct call *call) {
    TRY(require_count(call, 10));
    REQUIRE(call->input_length == INPUT_END, ERROR_INSTRUCTION_LENGTH);
    struct vault *vault = 0;
    TRY(load_vault(call, &call->accounts[1], &vault));
    TRY(require_initializer(&call->accounts[0], vault));
    TRY(require_key(&call->accounts[7], SYSTEM_PROGRAM));
    struct listing listing = {
        .payer = &call->accounts[0],
        .vault_account = &call->accounts[1],
        .vault = vault,
        .first = &call->accounts[2],
    };
    TRY(read_listing(call, &listing));
    REQUIRE(!is_ours(call, listing.first), ERROR_TOKEN_TWICE);
    TRY(list_token(call, &listing, ZERO_KEY));
    return set_capacity(call, &listing, ZERO_KEY, read_u64(call->input + AT_CAPACITY));
}
