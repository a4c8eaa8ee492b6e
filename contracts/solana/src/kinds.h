// What each kind of message does; accounts and fields that all share are read already.
#pragma once

#include "message.h"

u64 pay(struct call *call, struct message *message, struct receiver *receiver);
u64 pause(struct call *call, struct message *message, struct receiver *receiver);
u64 set_parameter(struct call *call, struct message *message, struct receiver *receiver);
