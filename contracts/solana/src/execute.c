// Act on a release, seize, pause or parameter message; the file of each kind lists its accounts.
// They begin with those of every message:
//
// 0. [signer, writable] payer       anyone; pays for the mark of execution
// 1. [writable] vault
// 2. [] guardian set                that signed
// 3. [writable] executed            ["executed", vault, message id]
// 4. [] system program
//
// data: as message.h says

#include "instructions.h"

#include "errors.h"
#include "kinds.h"
#include "message.h"

u64 execute(struct call *call) {
    struct message message;
    struct receiver receiver;
    TRY(read_message(call, &message, &receiver));
    switch (message.kind) {
    case MESSAGE_RELEASE:
    case MESSAGE_SEIZE:
        return pay(call, &message, &receiver);
    case MESSAGE_PAUSE:
        return pause(call, &message, &receiver);
    case MESSAGE_PARAMETER:
        return set_parameter(call, &message, &receiver);
    default:
        return ERROR_WRONG_KIND;
    }
}
