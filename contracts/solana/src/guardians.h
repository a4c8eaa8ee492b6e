// Guardian sets, and whether a quorum of one signed a digest. The order of checks is that of
// GuardianSet.sol.
#pragma once

#include "layout.h"

#define SIGNATURE_BYTES 65ul
#define OVERLAP_SECONDS_MAX 2592000ul // 30 days
#define FOREVER 0xFFFFFFFFFFFFFFFFul

// What was signed, and the signatures one after the other.
struct attestation {
    const u8 *message_id;
    const u8 *signatures;
    u64 length; // [bytes] of all signatures
};

// A set as instruction data: threshold u8 | count u8 | members 20 bytes each.
struct member_list {
    const u8 *first;
    u64 length; // [bytes] from the threshold on
};

// Check a set and write its threshold and members.
u64 set_members(struct guardian_set *set, const struct member_list *list);

// keccak256(index u32 | threshold u8 | members b32...), as in chains/message.py.
void set_hash(const struct guardian_set *set, u8 *digest);

// Return who signed a digest; exactly one encoding of a signature is accepted.
u64 recover_signer(const u8 *digest, const u8 *signature, u8 *address);

// keccak256(0x1901 | domain separator | struct hash).
void typed_digest(const struct vault *vault, const u8 *struct_hash, u8 *digest);

// Refuse unless at least the threshold of the set signed the message for this vault.
u64 verify_attestation(
    const struct vault *vault,
    const struct guardian_set *set,
    const struct attestation *attestation,
    u64 now
);

u64 require_current(const struct vault *vault, const struct guardian_set *set);
