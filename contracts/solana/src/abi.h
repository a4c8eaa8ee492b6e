// What the loader hands to a program and what a program may call: types, accounts, syscalls.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

_Static_assert(sizeof(u64) == 8, "one machine word is 64 bits");

#define KEY_BYTES 32ul
#define ACCOUNTS_MAX 16ul

// Evaluate, and leave with the error if there is one.
#define TRY(expression)                    \
    do {                                   \
        u64 error_of_try = (expression);   \
        if (error_of_try != 0) {           \
            return error_of_try;           \
        }                                  \
    } while (0)

// Leave with the error unless the condition holds.
#define REQUIRE(condition, error) \
    do {                          \
        if (!(condition)) {       \
            return (error);       \
        }                         \
    } while (0)

// One account of the instruction. The pointers lead into the input region, so what a called
// program changes is seen here.
struct account {
    u8 *key;
    u8 *owner;
    u64 *lamports;
    u64 *length; // [bytes] of data
    u8 *data;
    u64 rent_epoch;
    u8 is_signer;
    u8 is_writable;
    u8 is_executable;
    u8 is_duplicate;
};

// One call of the program.
struct call {
    struct account accounts[ACCOUNTS_MAX];
    u64 count;
    const u8 *input; // instruction data
    u64 input_length;
    const u8 *program_id;
    u64 now; // [unix s]
};

struct slice {
    const void *start;
    u64 length;
};

struct seeds {
    const struct slice *first;
    u64 count;
};

/* SYSCALLS */

struct meta {
    const u8 *key;
    u8 is_writable;
    u8 is_signer;
};

struct instruction {
    const u8 *program_id;
    const struct meta *metas;
    u64 meta_count;
    const u8 *data;
    u64 data_length;
};

struct view {
    u8 *key;
    u64 *lamports;
    u64 length;
    u8 *data;
    u8 *owner;
    u64 rent_epoch;
    u8 is_signer;
    u8 is_writable;
    u8 is_executable;
};

struct clock {
    u64 slot;
    u64 epoch_start_timestamp;
    u64 epoch;
    u64 leader_schedule_epoch;
    u64 unix_timestamp; // two's complement
};

struct rent {
    u64 lamports_per_byte;
    u64 exemption_threshold_bits; // of an IEEE 754 double
    u64 burn_percent;
};

u64 sol_keccak256(const struct slice *parts, u64 count, u8 *digest);
u64 sol_secp256k1_recover(const u8 *digest, u64 recovery_id, const u8 *signature, u8 *public_key);
u64 sol_try_find_program_address(
    const struct slice *seeds, u64 count, const u8 *program_id, u8 *key, u8 *bump
);
u64 sol_create_program_address(
    const struct slice *seeds, u64 count, const u8 *program_id, u8 *key
);
u64 sol_invoke_signed_c(
    const struct instruction *instruction,
    const struct view *views,
    u64 view_count,
    const struct seeds *signers,
    u64 signer_count
);
u64 sol_get_clock_sysvar(struct clock *clock);
u64 sol_get_rent_sysvar(struct rent *rent);
