#include "input.h"

#include "errors.h"

#define MARKER_NEW 0xff
#define SPARE_BYTES 10240ul // room the loader leaves for an account to grow
#define AT_SIGNER 1
#define AT_WRITABLE 2
#define AT_EXECUTABLE 3
#define AT_KEY 8
#define AT_OWNER 40
#define AT_LAMPORTS 72
#define AT_LENGTH 80
#define AT_DATA 88

// Read one account that stands here for the first time; return where the next one begins.
static u8 *read_account(u8 *at, struct account *account) {
    account->is_signer = at[AT_SIGNER];
    account->is_writable = at[AT_WRITABLE];
    account->is_executable = at[AT_EXECUTABLE];
    account->is_duplicate = 0;
    account->key = at + AT_KEY;
    account->owner = at + AT_OWNER;
    account->lamports = (u64 *)(at + AT_LAMPORTS);
    account->length = (u64 *)(at + AT_LENGTH);
    account->data = at + AT_DATA;
    u8 *end = account->data + ((*account->length + SPARE_BYTES + 7) & ~7ul);
    account->rent_epoch = *(u64 *)end;
    return end + sizeof(u64);
}

u64 read_input(u8 *region, struct call *call) {
    u64 count = *(u64 *)region;
    REQUIRE(count <= ACCOUNTS_MAX, ERROR_ACCOUNT_COUNT);
    u8 *at = region + sizeof(u64);
    for (u64 place = 0; place < count; place++) {
        if (*at == MARKER_NEW) {
            at = read_account(at, &call->accounts[place]);
        } else {
            REQUIRE(*at < place, ERROR_ACCOUNT_DUPLICATE);
            call->accounts[place] = call->accounts[*at];
            call->accounts[place].is_duplicate = 1;
            at += sizeof(u64);
        }
    }
    call->count = count;
    call->input_length = *(u64 *)at;
    call->input = at + sizeof(u64);
    call->program_id = call->input + call->input_length;
    return 0;
}

u64 require_distinct(const struct call *call, u64 allowed) {
    for (u64 place = 0; place < call->count; place++) {
        REQUIRE(
            !call->accounts[place].is_duplicate || place == allowed, ERROR_ACCOUNT_DUPLICATE
        );
    }
    return 0;
}

u64 read_clock(struct call *call) {
    struct clock clock;
    TRY(sol_get_clock_sysvar(&clock));
    REQUIRE(clock.unix_timestamp >> 63 == 0, ERROR_CLOCK);
    call->now = clock.unix_timestamp;
    return 0;
}
