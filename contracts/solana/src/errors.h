// Every way the program refuses, by number. A number is never used for anything else again.
// chains/solana/vault_errors.py and docs/solana-vault.md say the same; a test holds them together.
#pragma once

enum error {
    /* INPUT */
    ERROR_INSTRUCTION_UNKNOWN = 1,  // The first byte names no instruction.
    ERROR_INSTRUCTION_LENGTH = 2,   // The instruction data is shorter or longer than it must be.
    ERROR_ACCOUNT_COUNT = 3,        // The instruction takes another number of accounts.
    ERROR_ACCOUNT_DUPLICATE = 4,    // One account stands at two places.
    ERROR_ACCOUNT_NOT_SIGNER = 5,   // An account that must sign did not.
    ERROR_ACCOUNT_NOT_WRITABLE = 6, // An account that is written is not writable.
    ERROR_ACCOUNT_WRONG_KEY = 7,    // An account is not the one that is fixed or derived.
    ERROR_ACCOUNT_WRONG_OWNER = 8,  // An account belongs to another program.
    ERROR_ACCOUNT_WRONG_LENGTH = 9, // An account's data has another length.
    ERROR_ACCOUNT_WRONG_TAG = 10,   // An account of this program is of another type.
    ERROR_ACCOUNT_OTHER_VAULT = 11, // An account belongs to another vault of this program.
    ERROR_ACCOUNT_OTHER_MINT = 12,  // An account belongs to another mint.
    ERROR_CLOCK = 13,               // The chain's clock stands before 1970.
    ERROR_OVERFLOW = 14,            // A counter would leave 64 bits.
    ERROR_RENT = 15,                // The chain's rent has a threshold other than 1 or 2.
    ERROR_EVENT_NOT_SIGNED = 16,    // An event that this program did not print.

    /* GUARDIANS */
    ERROR_SET_SIZE = 30,             // A set has 1 to 19 members.
    ERROR_SET_THRESHOLD = 31,        // A threshold is a majority of the members, and at most all.
    ERROR_MEMBERS_NOT_ASCENDING = 32, // Members are strictly ascending and not zero.
    ERROR_OVERLAP_TOO_LONG = 33,     // A replaced set stays valid for 30 days at most.
    ERROR_SET_UNKNOWN = 34,          // The account is no guardian set of this vault.
    ERROR_SET_OUTDATED = 35,         // The set was replaced and its overlap has passed.
    ERROR_QUORUM_MISSING = 36,       // Fewer signatures than the threshold.
    ERROR_SIGNATURE_LENGTH = 37,     // Signatures are r | s | v, 65 bytes each.
    ERROR_SIGNATURE_MALFORMED = 38,  // High s, a v other than 27 or 28, or nobody's signature.
    ERROR_SIGNERS_NOT_ASCENDING = 39, // Signers are strictly ascending by address.
    ERROR_NOT_A_MEMBER = 40,         // A signer is not in the set.
    ERROR_NOT_CURRENT_SET = 41,      // Only the current set rotates, pauses and sets parameters.
    ERROR_WRONG_SET_INDEX = 42,      // The staged set is not the one after the current.

    /* MESSAGES */
    ERROR_WRONG_KIND = 50,       // The program does not act on this kind of message.
    ERROR_EXPIRED = 51,          // The message or signature may no longer be used.
    ERROR_ALREADY_EXECUTED = 52, // The message was executed before.

    /* VAULT */
    ERROR_ALREADY_INITIALISED = 60, // The vault, or the staged set, is there already.
    ERROR_CHAIN_REFERENCE = 61,     // A chain is named by 32 base58 letters of its genesis hash.
    ERROR_SEALED = 62,              // The initializer's part is over.
    ERROR_NOT_SEALED = 63,          // The vault is not in use yet.
    ERROR_NOT_INITIALIZER = 64,     // The signer did not make this vault.
    ERROR_ACCOUNT_ZERO = 65,        // Margin account zero belongs to nobody.
    ERROR_AMOUNT_ZERO = 66,         // Nothing to move.
    ERROR_RECIPIENT_INVALID = 67,   // The recipient is zero or the vault itself.
    ERROR_TOKEN_NOT_LISTED = 68,    // The token is not accepted.
    ERROR_TOKEN_TWICE = 69,         // The token is listed already.
    ERROR_PAUSED = 70,              // The guardians have paused this direction.
    ERROR_PAUSE_FLAGS = 71,         // Pause flags are 0 to 3.
    ERROR_INSUFFICIENT = 72,        // The account does not hold as much of the token here.
    ERROR_ABOVE_CAPACITY = 73,      // More than the capacity can never leave at once.
    ERROR_OUTFLOW_LIMITED = 74,     // The window is used up; later it may pass.
    ERROR_OVERPAID = 75,            // The vault paid another amount than it owed.
    ERROR_NONCE_OUTDATED = 76,      // A newer message on the same subject was executed.
    ERROR_PARAMETER_UNKNOWN = 77,   // No parameter has this key.
    ERROR_PARAMETER_RANGE = 78,     // The value is outside what the vault allows.
    ERROR_EXIT_TOO_EARLY = 79,      // The guardians were heard too recently.
    ERROR_NOT_OPENER = 80,          // The signer did not open the margin account.

    /* TOKENS */
    ERROR_TOKEN_PROGRAM = 90,   // Neither SPL Token nor Token-2022, or not the mint's.
    ERROR_MINT_INVALID = 91,    // The account is no initialised mint.
    ERROR_MINT_EXTENSION = 92,  // The mint has an extension the vault does not take.
    ERROR_TOKEN_ACCOUNT = 93,   // The account is no token account of the mint.
    ERROR_NOT_ASSOCIATED = 94,  // The destination is not its wallet's associated token account.
};
