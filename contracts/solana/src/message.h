// Canonical bytes of a message, rebuilt from what the vault knows and from what the caller says,
// and the checks that every message shares: in time, once, attested.
#pragma once

#include "layout.h"

enum message_kind {
    MESSAGE_RELEASE = 1,
    MESSAGE_SEIZE = 2,
    MESSAGE_CREDIT_GRANT = 3,
    MESSAGE_GUARDIAN_SET = 4,
    MESSAGE_PAUSE = 5,
    MESSAGE_PARAMETER = 6,
};

// Places in instruction data: tag u8 | kind u8 | nonce u64 | amount u64 | expiry u64 | epoch u32 |
// evidence b32 | what the kind adds | signatures
#define MESSAGE_AT_KIND 1ul
#define MESSAGE_AT_NONCE 2ul
#define MESSAGE_AT_AMOUNT 10ul
#define MESSAGE_AT_EXPIRY 18ul
#define MESSAGE_AT_EPOCH 26ul
#define MESSAGE_AT_EVIDENCE 30ul
#define MESSAGE_END 62ul

// Accounts that every instruction with a message begins with.
#define PLACE_PAYER 0
#define PLACE_VAULT 1
#define PLACE_SET 2
#define PLACE_EXECUTED 3
#define PLACE_SYSTEM 4
#define PLACES_OF_MESSAGE 5ul // and two for events at the end
#define PLACES_OF_EVENTS 2ul

// A message to be accepted.
struct message {
    u64 kind;
    u64 nonce;
    u64 amount;
    u64 expiry;           // [unix s]
    const u8 *account;    // words of the canonical bytes
    const u8 *token;
    const u8 *recipient;
    u64 signatures_at;    // place in instruction data
    u8 id[KEY_BYTES];     // filled when it was accepted
};

// The vault and the set that a message names.
struct receiver {
    struct vault *vault;
    struct guardian_set *set;
};

// Read the fields that are in instruction data and the first accounts.
u64 read_message(struct call *call, struct message *message, struct receiver *receiver);

// Check a message and mark it executed; the caller acts.
u64 accept_message(struct call *call, struct message *message, struct receiver *receiver);

// Refuse a pause or parameter message older than one already executed on its subject: a signed
// "resume" that was held back must not undo a later pause.
u64 require_newest(struct nonce_min *nonce_min, u64 nonce);
