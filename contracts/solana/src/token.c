#include "token.h"

#include "bytes.h"
#include "checks.h"
#include "errors.h"

#define MINT_LENGTH 82ul
#define MINT_AT_DECIMALS 44
#define MINT_AT_IS_INITIALISED 45
#define ACCOUNT_LENGTH 165ul
#define ACCOUNT_AT_WALLET 32
#define ACCOUNT_AT_AMOUNT 64
#define ACCOUNT_AT_STATE 108
#define TYPE_MINT 1
#define TYPE_ACCOUNT 2
#define EXTENSIONS_AT (ACCOUNT_LENGTH + 1) // behind the account type, for mints too
#define EXTENSION_HEAD_BYTES 4ul           // type u16 | length u16
#define EXTENSIONS_MAX 32ul
#define TRANSFER_FEE_AMOUNT_BYTES 8ul

// Extensions of mints that are taken; all others, the unknown ones too, are refused.
#define EXTENSION_NONE 0
#define EXTENSION_TRANSFER_FEE 1
#define EXTENSION_METADATA_POINTER 18
#define EXTENSION_METADATA 19

#define INSTRUCTION_TRANSFER_CHECKED 12
#define INSTRUCTION_INITIALISE_ACCOUNT 18

static const u8 TOKEN_PROGRAM[KEY_BYTES] = {
    0x06, 0xdd, 0xf6, 0xe1, 0xd7, 0x65, 0xa1, 0x93, 0xd9, 0xcb, 0xe1, 0x46, 0xce, 0xeb, 0x79, 0xac,
    0x1c, 0xb4, 0x85, 0xed, 0x5f, 0x5b, 0x37, 0x91, 0x3a, 0x8c, 0xf5, 0x85, 0x7e, 0xff, 0x00, 0xa9,
};
static const u8 TOKEN_2022_PROGRAM[KEY_BYTES] = {
    0x06, 0xdd, 0xf6, 0xe1, 0xee, 0x75, 0x8f, 0xde, 0x18, 0x42, 0x5d, 0xbc, 0xe4, 0x6c, 0xcd, 0xda,
    0xb6, 0x1a, 0xfc, 0x4d, 0x83, 0xb9, 0x0d, 0x27, 0xfe, 0xbd, 0xf9, 0x28, 0xd8, 0xa1, 0x8b, 0xfc,
};

// Read the extensions of a mint.
static u64 check_extensions(const struct account *account, struct mint *mint) {
    u64 length = *account->length;
    REQUIRE(
        length >= EXTENSIONS_AT && account->data[ACCOUNT_LENGTH] == TYPE_MINT, ERROR_MINT_INVALID
    );
    u64 at = EXTENSIONS_AT;
    for (u64 seen = 0; at + EXTENSION_HEAD_BYTES <= length; seen++) {
        u64 type = *(const u16 *)(account->data + at);
        u64 size = *(const u16 *)(account->data + at + sizeof(u16));
        if (type == EXTENSION_NONE) {
            break; // what follows was reserved and is not used
        }
        REQUIRE(seen < EXTENSIONS_MAX, ERROR_MINT_EXTENSION);
        REQUIRE(
            type == EXTENSION_TRANSFER_FEE || type == EXTENSION_METADATA_POINTER
                || type == EXTENSION_METADATA,
            ERROR_MINT_EXTENSION
        );
        if (type == EXTENSION_TRANSFER_FEE) {
            // Token accounts of such a mint keep withheld fees in an extension of their own.
            mint->custody_length =
                EXTENSIONS_AT + EXTENSION_HEAD_BYTES + TRANSFER_FEE_AMOUNT_BYTES;
        }
        at += EXTENSION_HEAD_BYTES + size;
    }
    return 0;
}

u64 check_mint(
    const struct account *account, const struct account *program, struct mint *mint
) {
    int is_2022 = is_same_key(program->key, TOKEN_2022_PROGRAM);
    REQUIRE(is_2022 || is_same_key(program->key, TOKEN_PROGRAM), ERROR_TOKEN_PROGRAM);
    REQUIRE(is_same_key(account->owner, program->key), ERROR_TOKEN_PROGRAM);
    REQUIRE(*account->length >= MINT_LENGTH, ERROR_MINT_INVALID);
    REQUIRE(account->data[MINT_AT_IS_INITIALISED] == 1, ERROR_MINT_INVALID);
    mint->account = account;
    mint->program = program;
    mint->decimals = account->data[MINT_AT_DECIMALS];
    mint->custody_length = ACCOUNT_LENGTH;
    if (*account->length == MINT_LENGTH) {
        return 0;
    }
    REQUIRE(is_2022, ERROR_MINT_INVALID);
    return check_extensions(account, mint);
}

u64 require_token_account(
    const struct account *account, const struct account *program, const u8 *mint
) {
    REQUIRE(is_same_key(account->owner, program->key), ERROR_TOKEN_ACCOUNT);
    u64 length = *account->length;
    int is_account = length == ACCOUNT_LENGTH
                     || (length > ACCOUNT_LENGTH && account->data[ACCOUNT_LENGTH] == TYPE_ACCOUNT);
    REQUIRE(is_account && account->data[ACCOUNT_AT_STATE] != 0, ERROR_TOKEN_ACCOUNT);
    REQUIRE(is_same_key(account->data, mint), ERROR_ACCOUNT_OTHER_MINT);
    return 0;
}

const u8 *token_wallet(const struct account *account) {
    return account->data + ACCOUNT_AT_WALLET;
}

u64 token_amount(const struct account *account) {
    return *(const u64 *)(account->data + ACCOUNT_AT_AMOUNT);
}

u64 require_associated(
    const struct account *destination, const struct account *program, const u8 *mint
) {
    struct derived associated;
    begin_seeds(&associated, (const char *)token_wallet(destination), KEY_BYTES);
    add_seed(&associated, program->key, KEY_BYTES);
    add_seed(&associated, mint, KEY_BYTES);
    find_address(&associated, ASSOCIATED_TOKEN_PROGRAM);
    REQUIRE(is_same_key(destination->key, associated.key), ERROR_NOT_ASSOCIATED);
    return 0;
}

u64 initialise_token_account(
    struct account *account, const struct mint *mint, const u8 *wallet
) {
    struct meta metas[2] = {{account->key, 1, 0}, {mint->account->key, 0, 0}};
    u8 data[1 + KEY_BYTES] = {INSTRUCTION_INITIALISE_ACCOUNT};
    copy_key(data + 1, wallet);
    struct instruction instruction = {mint->program->key, metas, 2, data, sizeof(data)};
    const struct account *accounts[2] = {account, mint->account};
    return invoke(&instruction, accounts, 0);
}

u64 transfer_tokens(const struct transfer *transfer) {
    struct meta metas[4] = {
        {transfer->source->key, 1, 0},
        {transfer->mint->key, 0, 0},
        {transfer->destination->key, 1, 0},
        {transfer->authority->key, 0, 1},
    };
    u8 data[10] = {INSTRUCTION_TRANSFER_CHECKED};
    *(u64 *)(data + 1) = transfer->amount;
    data[9] = transfer->decimals;
    struct instruction instruction = {transfer->program->key, metas, 4, data, sizeof(data)};
    const struct account *accounts[4] = {
        transfer->source, transfer->mint, transfer->destination, transfer->authority
    };
    return invoke(&instruction, accounts, transfer->signer);
}
