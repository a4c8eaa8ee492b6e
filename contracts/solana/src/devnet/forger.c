// Tries to print a vault's event without being the vault: calls account 1 with its own data, and
// with account 0 as the events authority, signed by an address of its own where data begins so.
//
// 0. [] events authority, or this program's ["events"]
// 1. [] program to call
//
// data: is_signed u8 | bump u8 | event

#include "abi.h"
#include "addresses.h"
#include "input.h"

static const char EVENTS_SEED[] = "events";

u64 entrypoint(u8 *region) {
    struct call *call = (struct call *)0x300000000ul;
    TRY(read_input(region, call));
    struct derived signer;
    begin_seeds(&signer, EVENTS_SEED, sizeof(EVENTS_SEED) - 1);
    u8 is_signed = call->input[0];
    if (is_signed) {
        TRY(derive_address(&signer, call->input[1], call->program_id));
    }
    struct meta meta = {call->accounts[0].key, 0, is_signed};
    struct instruction instruction = {
        call->accounts[1].key, &meta, 1, call->input + 2, call->input_length - 2
    };
    const struct account *accounts[1] = {&call->accounts[0]};
    return invoke(&instruction, accounts, is_signed ? &signer : 0);
}
