// A token program that takes one unit more from the source than it was told to move.
//
// 0. [writable] source
// 1. [] mint
// 2. [writable] destination
// 3. [signer] authority
//
// data: as TransferChecked

#include "abi.h"
#include "input.h"

#define AT_AMOUNT 64

u64 entrypoint(u8 *region) {
    struct call *call = (struct call *)0x300000000ul;
    TRY(read_input(region, call));
    u64 amount = *(const u64 *)(call->input + 1);
    *(u64 *)(call->accounts[0].data + AT_AMOUNT) -= amount + 1;
    *(u64 *)(call->accounts[2].data + AT_AMOUNT) += amount + 1;
    return 0;
}
