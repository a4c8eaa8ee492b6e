#include "guardians.h"

#include "bytes.h"
#include "errors.h"
#include "hash.h"

#define WORD_PAD (KEY_BYTES - ADDRESS_BYTES)
#define SCALAR_BYTES 32ul
#define PUBLIC_KEY_BYTES 64ul
#define V_MIN 27

// Half of the order of secp256k1: a larger s is the same signature written another way.
static const u8 LOW_S_MAX[SCALAR_BYTES] = {
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
};
static const char ATTESTATION_TYPE[] = "Attestation(bytes32 messageId,uint32 guardianSetIndex)";
static const u8 TYPED_PREFIX[2] = {0x19, 0x01};

u64 set_members(struct guardian_set *set, const struct member_list *list) {
    REQUIRE(list->length >= 2, ERROR_INSTRUCTION_LENGTH);
    u64 threshold = list->first[0];
    u64 count = list->first[1];
    REQUIRE(list->length == 2 + count * ADDRESS_BYTES, ERROR_INSTRUCTION_LENGTH);
    REQUIRE(count != 0 && count <= GUARDIANS_MAX, ERROR_SET_SIZE);
    REQUIRE(threshold > count / 2 && threshold <= count, ERROR_SET_THRESHOLD);
    u8 nobody[ADDRESS_BYTES] = {0};
    const u8 *previous = nobody;
    for (u64 place = 0; place < count; place++) {
        const u8 *member = list->first + 2 + place * ADDRESS_BYTES;
        REQUIRE(
            compare_bytes(member, previous, ADDRESS_BYTES) > 0, ERROR_MEMBERS_NOT_ASCENDING
        );
        copy_bytes(set->members[place], member, ADDRESS_BYTES);
        previous = member;
    }
    set->threshold = (u8)threshold;
    set->count = (u8)count;
    return 0;
}

void set_hash(const struct guardian_set *set, u8 *digest) {
    u8 head[5];
    u8 pad[WORD_PAD] = {0};
    struct slice parts[1 + 2 * GUARDIANS_MAX];
    write_u32(head, set->index);
    head[4] = set->threshold;
    parts[0] = (struct slice){head, sizeof(head)};
    for (u64 place = 0; place < set->count; place++) {
        parts[1 + 2 * place] = (struct slice){pad, sizeof(pad)};
        parts[2 + 2 * place] = (struct slice){set->members[place], ADDRESS_BYTES};
    }
    keccak_of(parts, 1 + 2 * (u64)set->count, digest);
}

u64 recover_signer(const u8 *digest, const u8 *signature, u8 *address) {
    u64 v = signature[2 * SCALAR_BYTES];
    int is_low_s = compare_bytes(signature + SCALAR_BYTES, LOW_S_MAX, SCALAR_BYTES) <= 0;
    REQUIRE(is_low_s && (v == V_MIN || v == V_MIN + 1), ERROR_SIGNATURE_MALFORMED);
    u8 public_key[PUBLIC_KEY_BYTES];
    REQUIRE(
        sol_secp256k1_recover(digest, v - V_MIN, signature, public_key) == 0,
        ERROR_SIGNATURE_MALFORMED
    );
    u8 hash[KEY_BYTES];
    struct slice part = {public_key, sizeof(public_key)};
    keccak_of(&part, 1, hash);
    copy_bytes(address, hash + WORD_PAD, ADDRESS_BYTES);
    return 0;
}

void typed_digest(const struct vault *vault, const u8 *struct_hash, u8 *digest) {
    struct slice parts[3] = {
        {TYPED_PREFIX, sizeof(TYPED_PREFIX)},
        {vault->domain_separator, KEY_BYTES},
        {struct_hash, KEY_BYTES},
    };
    keccak_of(parts, 3, digest);
}

// Compute the digest that guardians of a set sign for a message to this vault.
static void attestation_digest(
    const struct vault *vault, u32 set_index, const u8 *message_id, u8 *digest
) {
    u8 type_hash[KEY_BYTES];
    struct slice type = {ATTESTATION_TYPE, sizeof(ATTESTATION_TYPE) - 1};
    keccak_of(&type, 1, type_hash);
    u8 index[KEY_BYTES] = {0};
    write_u32(index + KEY_BYTES - sizeof(u32), set_index);
    struct slice parts[3] = {
        {type_hash, KEY_BYTES},
        {message_id, KEY_BYTES},
        {index, KEY_BYTES},
    };
    u8 struct_hash[KEY_BYTES];
    keccak_of(parts, 3, struct_hash);
    typed_digest(vault, struct_hash, digest);
}

u64 verify_attestation(
    const struct vault *vault,
    const struct guardian_set *set,
    const struct attestation *attestation,
    u64 now
) {
    REQUIRE(now <= set->valid_until, ERROR_SET_OUTDATED);
    u64 count = attestation->length / SIGNATURE_BYTES;
    REQUIRE(count * SIGNATURE_BYTES == attestation->length, ERROR_SIGNATURE_LENGTH);
    REQUIRE(count >= set->threshold, ERROR_QUORUM_MISSING);
    u8 digest[KEY_BYTES];
    attestation_digest(vault, set->index, attestation->message_id, digest);
    u8 previous[ADDRESS_BYTES] = {0};
    u64 candidate = 0; // members before it are below the signer: both lists ascend
    for (u64 place = 0; place < count; place++) {
        const u8 *signature = attestation->signatures + place * SIGNATURE_BYTES;
        u8 signer[ADDRESS_BYTES];
        TRY(recover_signer(digest, signature, signer));
        REQUIRE(
            compare_bytes(signer, previous, ADDRESS_BYTES) > 0, ERROR_SIGNERS_NOT_ASCENDING
        );
        while (candidate < set->count
               && compare_bytes(set->members[candidate], signer, ADDRESS_BYTES) < 0) {
            candidate++;
        }
        REQUIRE(
            candidate < set->count
                && compare_bytes(set->members[candidate], signer, ADDRESS_BYTES) == 0,
            ERROR_NOT_A_MEMBER
        );
        copy_bytes(previous, signer, ADDRESS_BYTES);
    }
    return 0;
}

u64 require_current(const struct vault *vault, const struct guardian_set *set) {
    REQUIRE(set->index == vault->guardian_set_index, ERROR_NOT_CURRENT_SET);
    return 0;
}
