// Every way the program refuses, by number. A number is never used for anything else again.
// They begin at 7001, because an error of a program that this one calls comes out as the caller's
// own, and token programs count from 0.
// chains/solana/vault_errors.py and docs/solana-vault.md say the same; a test holds them together.
#pragma once

enum error {
    /* INPUT */
    ERROR_INSTRUCTION_UNKNOWN = 7001,  // The first byte names no instruction.
    ERROR_INSTRUCTION_LENGTH = 7002,   // The instruction data is shorter or longer than it must be.
    ERROR_ACCOUNT_COUNT = 7003,        // The instruction takes another number of accounts.
    ERROR_ACCOUNT_DUPLICATE = 7004,    // One account stands at two places.
    ERROR_ACCOUNT_NOT_SIGNER = 7005,   // An account that must sign did not.
    ERROR_ACCOUNT_NOT_WRITABLE = 7006, // An account that is written is not writable.
    ERROR_ACCOUNT_WRONG_KEY = 7007,    // An account is not the one that is fixed or derived.
    ERROR_ACCOUNT_WRONG_OWNER = 7008,  // An account belongs to another program.
    ERROR_ACCOUNT_WRONG_LENGTH = 7009, // An account's data has another length.
    ERROR_ACCOUNT_WRONG_TAG = 7010,   // An account of this program is of another type.
    ERROR_ACCOUNT_OTHER_VAULT = 7011, // An account belongs to another vault of this program.
    ERROR_ACCOUNT_OTHER_MINT = 7012,  // An account belongs to another mint.
    ERROR_CLOCK = 7013,               // The chain's clock stands before 1970.
    ERROR_OVERFLOW = 7014,            // A counter would leave 64 bits.
    ERROR_RENT = 7015,                // The chain's rent has a threshold other than 1 or 2.
    ERROR_EVENT_NOT_SIGNED = 7016,    // An event that this program did not print.

    /* GUARDIANS */
    ERROR_SET_SIZE = 7030,             // A set has 1 to 19 members.
    ERROR_SET_THRESHOLD = 7031,        // A threshold is a majority of the members, and at most all.
    ERROR_MEMBERS_NOT_ASCENDING = 7032, // Members are strictly ascending and not zero.
    ERROR_OVERLAP_TOO_LONG = 7033,     // A replaced set stays valid for 30 days at most.
    ERROR_SET_UNKNOWN = 7034,          // The account is no guardian set of this vault.
    ERROR_SET_OUTDATED = 7035,         // The set was replaced and its overlap has passed.
    ERROR_QUORUM_MISSING = 7036,       // Fewer signatures than the threshold.
    ERROR_SIGNATURE_LENGTH = 7037,     // Signatures are r | s | v, 65 bytes each.
    ERROR_SIGNATURE_MALFORMED = 7038,  // High s, a v other than 27 or 28, or nobody's signature.
    ERROR_SIGNERS_NOT_ASCENDING = 7039, // Signers are strictly ascending by address.
    ERROR_NOT_A_MEMBER = 7040,         // A signer is not in the set.
    ERROR_NOT_CURRENT_SET = 7041,      // Only the current set rotates, pauses and sets parameters.
    ERROR_WRONG_SET_INDEX = 7042,      // The staged set is not the one after the current.

    /* MESSAGES */
    ERROR_WRONG_KIND = 7050,       // The program does not act on this kind of message.
    ERROR_EXPIRED = 7051,          // The message or signature may no longer be used.
    ERROR_ALREADY_EXECUTED = 7052, // The message was executed before.

    /* VAULT */
    ERROR_ALREADY_INITIALISED = 7060, // The vault, or the staged set, is there already.
    ERROR_CHAIN_REFERENCE = 7061,     // A chain is named by 32 base58 letters of its genesis hash.
    ERROR_SEALED = 7062,              // The initializer's part is over.
    ERROR_NOT_SEALED = 7063,          // The vault is not in use yet.
    ERROR_NOT_INITIALIZER = 7064,     // The signer did not make this vault.
    ERROR_ACCOUNT_ZERO = 7065,        // Margin account zero belongs to nobody.
    ERROR_AMOUNT_ZERO = 7066,         // Nothing to move.
    ERROR_RECIPIENT_INVALID = 7067,   // The recipient is zero or the vault itself.
    ERROR_TOKEN_NOT_LISTED = 7068,    // The token is not accepted.
    ERROR_TOKEN_TWICE = 7069,         // The token is listed already.
    ERROR_PAUSED = 7070,              // The guardians have paused this direction.
    ERROR_PAUSE_FLAGS = 7071,         // Pause flags are 0 to 3.
    ERROR_INSUFFICIENT = 7072,        // The account does not hold as much of the token here.
    ERROR_ABOVE_CAPACITY = 7073,      // More than the capacity can never leave at once.
    ERROR_OUTFLOW_LIMITED = 7074,     // The window is used up; later it may pass.
    ERROR_OVERPAID = 7075,            // The vault paid another amount than it owed.
    ERROR_NONCE_OUTDATED = 7076,      // A newer message on the same subject was executed.
    ERROR_PARAMETER_UNKNOWN = 7077,   // No parameter has this key.
    ERROR_PARAMETER_RANGE = 7078,     // The value is outside what the vault allows.
    ERROR_EXIT_TOO_EARLY = 7079,      // The guardians were heard too recently.
    ERROR_NOT_OPENER = 7080,          // The signer did not open the margin account.
    ERROR_PROGRAM_NOT_FINAL = 7081,   // Somebody may still replace this program.

    /* TOKENS */
    ERROR_TOKEN_PROGRAM = 7090,   // Neither SPL Token nor Token-2022, or not the mint's.
    ERROR_MINT_INVALID = 7091,    // The account is no initialised mint.
    ERROR_MINT_EXTENSION = 7092,  // The mint has an extension the vault does not take.
    ERROR_TOKEN_ACCOUNT = 7093,   // The account is no token account of the mint.
    ERROR_NOT_ASSOCIATED = 7094,  // The destination is not its wallet's associated token account.
};
