// Rolling limit on what leaves for one token; OutflowWindow.sol tells how it works.
#pragma once

#include "layout.h"

// Set the window. What still counts is counted again as if it had left at this second.
u64 outflow_set_window(struct outflow *outflow, u64 window_seconds, u64 now);

// Check and count an outflow.
u64 outflow_consume(struct outflow *outflow, u64 amount, u64 now);
