// The accounts that this program owns, byte for byte. Each begins with a tag of its type and
// version; numbers inside are little-endian, as the machine keeps them.
#pragma once

#include "abi.h"

#define TAG(a, b, c, d, e, f, g)                                                             \
    ((u64)(a) | (u64)(b) << 8 | (u64)(c) << 16 | (u64)(d) << 24 | (u64)(e) << 32             \
     | (u64)(f) << 40 | (u64)(g) << 48 | 1ul << 56)

#define TAG_VAULT TAG('v', 'a', 'u', 'l', 't', 0, 0)
#define TAG_GUARDIANS TAG('g', 'u', 'a', 'r', 'd', 's', 0)
#define TAG_STAGED TAG('s', 't', 'a', 'g', 'e', 'd', 0)
#define TAG_ASSET TAG('a', 's', 's', 'e', 't', 0, 0)
#define TAG_POSITION TAG('p', 'o', 's', 'i', 't', 0, 0)
#define TAG_EXECUTED TAG('e', 'x', 'e', 'c', 'u', 't', 'e')

#define GUARDIANS_MAX 19ul
#define ADDRESS_BYTES 20ul // of a guardian, as on EVM chains
#define RING_SIZE 25ul     // buckets of the outflow window

// Lowest nonce that a pause or parameter message may have; beyond u64 none may.
struct nonce_min {
    u64 lowest;
    u64 is_beyond;
};

// ["vault", hub key, initializer]
struct vault {
    u64 tag;
    u8 hub_key[KEY_BYTES];
    u8 chain_key[KEY_BYTES];
    u8 initializer[KEY_BYTES];
    u8 domain_separator[KEY_BYTES];
    u64 lock_count;
    u64 last_attested_at;       // [unix s]
    u64 exit_delay_seconds;
    u64 overlap_seconds;
    u64 listing_window_seconds; // window a token starts with
    struct nonce_min pause_nonce_min;
    struct nonce_min exit_delay_nonce_min;
    u32 guardian_set_index; // the current one
    u8 pause_flags;         // of every token
    u8 is_sealed;
    u8 authority_bump;
    u8 events_bump;
};

// ["guardians", vault, index u32]; staged ones: ["staged", vault, hash of the set]
struct guardian_set {
    u64 tag;
    u8 vault[KEY_BYTES];
    u64 valid_until; // [unix s], all ones while current
    u32 index;
    u8 threshold;
    u8 count;
    u8 members[GUARDIANS_MAX][ADDRESS_BYTES]; // strictly ascending
    u8 spare[6];
};

struct outflow {
    u64 capacity;       // [base units] per window; 0: the token is not listed
    u64 window_seconds;
    u64 newest_bucket;  // the ring holds this bucket and the 24 before it
    u64 amounts[RING_SIZE]; // [base units] by bucket modulo RING_SIZE
};

// ["asset", vault, mint]
struct asset {
    u64 tag;
    u8 vault[KEY_BYTES];
    u8 mint[KEY_BYTES];
    u8 token_program[KEY_BYTES];
    u8 custody[KEY_BYTES]; // ["custody", vault, mint], a token account of ["authority", vault]
    u64 held;              // [base units] owed over all accounts
    struct outflow outflow;
    struct nonce_min pause_nonce_min;
    struct nonce_min capacity_nonce_min;
    struct nonce_min window_nonce_min;
    u8 pause_flags;
    u8 decimals;
    u8 spare[6];
};

// ["position", vault, account, mint]
struct position {
    u64 tag;
    u8 vault[KEY_BYTES];
    u8 account[KEY_BYTES];
    u8 mint[KEY_BYTES];
    u64 units; // [base units]
};

// ["executed", vault, message id]
struct executed {
    u64 tag;
    u8 message_id[KEY_BYTES];
    u64 executed_at; // [unix s]
};

_Static_assert(sizeof(struct vault) == 216, "vault_layout.py reads the same bytes");
_Static_assert(sizeof(struct guardian_set) == 440, "vault_layout.py reads the same bytes");
_Static_assert(sizeof(struct asset) == 424, "vault_layout.py reads the same bytes");
_Static_assert(sizeof(struct position) == 112, "vault_layout.py reads the same bytes");
_Static_assert(sizeof(struct executed) == 48, "vault_layout.py reads the same bytes");
