#include "addresses.h"

#include "bytes.h"
#include "errors.h"

#define SYSTEM_ASSIGN 1
#define SYSTEM_TRANSFER 2
#define SYSTEM_ALLOCATE 8
#define STORAGE_OVERHEAD_BYTES 128ul
#define DOUBLE_ONE 0x3FF0000000000000ul
#define DOUBLE_TWO 0x4000000000000000ul
#define INVOKED_ACCOUNTS_MAX 4ul

const u8 SYSTEM_PROGRAM[KEY_BYTES] = {0};
const u8 ASSOCIATED_TOKEN_PROGRAM[KEY_BYTES] = {
    0x8c, 0x97, 0x25, 0x8f, 0x4e, 0x24, 0x89, 0xf1, 0xbb, 0x3d, 0x10, 0x29, 0x14, 0x8e, 0x0d, 0x83,
    0x0b, 0x5a, 0x13, 0x99, 0xda, 0xff, 0x10, 0x84, 0x04, 0x8e, 0x7b, 0xd8, 0xdb, 0xe9, 0xf8, 0x59,
};

void begin_seeds(struct derived *derived, const char *name, u64 length) {
    derived->count = 0;
    add_seed(derived, name, length);
}

void add_seed(struct derived *derived, const void *start, u64 length) {
    derived->seeds[derived->count].start = start;
    derived->seeds[derived->count].length = length;
    derived->count++;
}

void find_address(struct derived *derived, const u8 *program_id) {
    // Fails only where all 256 bumps are on the curve, which nobody will see.
    sol_try_find_program_address(
        derived->seeds, derived->count, program_id, derived->key, &derived->bump
    );
    add_seed(derived, &derived->bump, 1);
}

u64 derive_address(struct derived *derived, u8 bump, const u8 *program_id) {
    derived->bump = bump;
    add_seed(derived, &derived->bump, 1);
    u64 failed =
        sol_create_program_address(derived->seeds, derived->count, program_id, derived->key);
    return failed ? ERROR_ACCOUNT_WRONG_KEY : 0;
}

u64 require_at(const struct account *account, const struct derived *derived) {
    REQUIRE(is_same_key(account->key, derived->key), ERROR_ACCOUNT_WRONG_KEY);
    return 0;
}

u64 invoke(
    const struct instruction *instruction,
    const struct account *const *accounts,
    const struct derived *signer
) {
    struct view views[INVOKED_ACCOUNTS_MAX];
    for (u64 place = 0; place < instruction->meta_count; place++) {
        const struct account *account = accounts[place];
        views[place].key = account->key;
        views[place].lamports = account->lamports;
        views[place].length = *account->length;
        views[place].data = account->data;
        views[place].owner = account->owner;
        views[place].rent_epoch = account->rent_epoch;
        views[place].is_signer = account->is_signer;
        views[place].is_writable = account->is_writable;
        views[place].is_executable = account->is_executable;
    }
    struct seeds seeds = {0};
    if (signer != 0) {
        seeds.first = signer->seeds;
        seeds.count = signer->count;
    }
    return sol_invoke_signed_c(instruction, views, instruction->meta_count, &seeds, signer != 0);
}

// Return the lamports that an account of a length must hold.
static u64 rent_minimum(u64 length, u64 *lamports) {
    struct rent rent;
    TRY(sol_get_rent_sysvar(&rent));
    u64 bits = rent.exemption_threshold_bits;
    REQUIRE(bits == DOUBLE_ONE || bits == DOUBLE_TWO, ERROR_RENT);
    u64 years = bits == DOUBLE_TWO ? 2 : 1;
    *lamports = (length + STORAGE_OVERHEAD_BYTES) * rent.lamports_per_byte * years;
    return 0;
}

// Pay what an account lacks.
static u64 pay_rent(const struct creation *creation) {
    u64 needed = 0;
    TRY(rent_minimum(creation->length, &needed));
    u64 present = *creation->account->lamports;
    if (present >= needed) {
        return 0;
    }
    struct meta metas[2] = {
        {creation->payer->key, 1, 1},
        {creation->account->key, 1, 0},
    };
    u8 data[12] = {SYSTEM_TRANSFER};
    *(u64 *)(data + 4) = needed - present;
    struct instruction instruction = {SYSTEM_PROGRAM, metas, 2, data, sizeof(data)};
    const struct account *accounts[2] = {creation->payer, creation->account};
    return invoke(&instruction, accounts, 0);
}

u64 create_account(const struct creation *creation, const struct derived *derived) {
    struct account *account = creation->account;
    REQUIRE(creation->payer->is_signer, ERROR_ACCOUNT_NOT_SIGNER);
    REQUIRE(creation->payer->is_writable && account->is_writable, ERROR_ACCOUNT_NOT_WRITABLE);
    REQUIRE(is_same_key(account->owner, SYSTEM_PROGRAM), ERROR_ACCOUNT_WRONG_OWNER);
    TRY(pay_rent(creation));

    // Never CreateAccount: it fails where the address already holds lamports.
    struct meta meta = {account->key, 1, 1};
    const struct account *accounts[1] = {account};
    u8 allocate[12] = {SYSTEM_ALLOCATE};
    *(u64 *)(allocate + 4) = creation->length;
    struct instruction allocation = {SYSTEM_PROGRAM, &meta, 1, allocate, sizeof(allocate)};
    TRY(invoke(&allocation, accounts, derived));
    u8 assign[4 + KEY_BYTES] = {SYSTEM_ASSIGN};
    copy_key(assign + 4, creation->owner);
    struct instruction assignment = {SYSTEM_PROGRAM, &meta, 1, assign, sizeof(assign)};
    return invoke(&assignment, accounts, derived);
}
