// keccak256 over parts.
#pragma once

#include "abi.h"

static inline void keccak_of(const struct slice *parts, u64 count, u8 *digest) {
    sol_keccak256(parts, count, digest); // fails only on memory that is not ours
}
