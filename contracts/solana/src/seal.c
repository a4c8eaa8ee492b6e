// End the initializer's part: from here on nobody's key means anything to this vault.
//
// 0. [signer] initializer
// 1. [writable] vault
//
// data: tag u8

#include "instructions.h"

#include "checks.h"
#include "errors.h"
#include "initializer.h"

u64 seal(struct call *call) {
    TRY(require_count(call, 2));
    REQUIRE(call->input_length == 1, ERROR_INSTRUCTION_LENGTH);
    struct vault *vault = 0;
    TRY(require_writable(&call->accounts[1]));
    TRY(load_vault(call, &call->accounts[1], &vault));
    TRY(require_initializer(&call->accounts[0], vault));
    vault->is_sealed = 1;
    return 0;
}
