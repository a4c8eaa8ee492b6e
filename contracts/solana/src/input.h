// The loader's input region, taken apart.
#pragma once

#include "abi.h"

// Read accounts, instruction data and program id.
u64 read_input(u8 *region, struct call *call);

// Refuse any account that stands at two places; `allowed` is a place that may repeat an earlier
// one, ACCOUNTS_MAX for none.
u64 require_distinct(const struct call *call, u64 allowed);

// Fill call->now.
u64 read_clock(struct call *call);
