// End the initializer's part: from here on nobody's key means anything to this vault. So it is
// refused while somebody's key may still replace the program itself.
//
// 0. [signer] initializer
// 1. [writable] vault
// 2. [] this program
// 3. [] its program data            where the loader keeps who may replace it
//
// data: tag u8

#include "instructions.h"

#include "bytes.h"
#include "checks.h"
#include "errors.h"
#include "initializer.h"

#define PROGRAM_TYPE 2
#define PROGRAM_LENGTH 36ul // type u32 | program data b32
#define PROGRAM_AT_CONTENT 4
#define CONTENT_TYPE 3
#define CONTENT_LENGTH_MIN 45ul // type u32 | slot u64 | is there an authority u8 | authority b32
#define CONTENT_AT_AUTHORITY 12

static const u8 UPGRADEABLE_LOADER[KEY_BYTES] = {
    0x02, 0xa8, 0xf6, 0x91, 0x4e, 0x88, 0xa1, 0xb0, 0xe2, 0x10, 0x15, 0x3e, 0xf7, 0x63, 0xae, 0x2b,
    0x00, 0xc2, 0xb9, 0x3d, 0x16, 0xc1, 0x24, 0xd2, 0xc0, 0x53, 0x7a, 0x10, 0x04, 0x80, 0x00, 0x00,
};

static u64 require_final_program(const struct account *program, const struct account *content) {
    REQUIRE(is_same_key(program->owner, UPGRADEABLE_LOADER), ERROR_PROGRAM_NOT_FINAL);
    REQUIRE(*program->length == PROGRAM_LENGTH, ERROR_PROGRAM_NOT_FINAL);
    REQUIRE(*(const u32 *)program->data == PROGRAM_TYPE, ERROR_PROGRAM_NOT_FINAL);
    TRY(require_key(content, program->data + PROGRAM_AT_CONTENT));
    REQUIRE(*content->length >= CONTENT_LENGTH_MIN, ERROR_PROGRAM_NOT_FINAL);
    REQUIRE(*(const u32 *)content->data == CONTENT_TYPE, ERROR_PROGRAM_NOT_FINAL);
    REQUIRE(content->data[CONTENT_AT_AUTHORITY] == 0, ERROR_PROGRAM_NOT_FINAL);
    return 0;
}

u64 seal(struct call *call) {
    TRY(require_count(call, 4));
    REQUIRE(call->input_length == 1, ERROR_INSTRUCTION_LENGTH);
    struct vault *vault = 0;
    TRY(require_writable(&call->accounts[1]));
    TRY(load_vault(call, &call->accounts[1], &vault));
    TRY(require_initializer(&call->accounts[0], vault));
    TRY(require_key(&call->accounts[2], call->program_id));
    TRY(require_final_program(&call->accounts[2], &call->accounts[3]));
    vault->is_sealed = 1;
    return 0;
}
