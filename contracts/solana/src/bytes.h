// Reading, comparing and copying bytes. The VM takes unaligned words; numbers that leave or enter
// the program are big-endian, as in the canonical bytes of a message.
#pragma once

#include "abi.h"

static inline u64 read_u64(const u8 *from) {
    return __builtin_bswap64(*(const u64 *)from);
}

static inline u32 read_u32(const u8 *from) {
    return __builtin_bswap32(*(const u32 *)from);
}

static inline void write_u64(u8 *to, u64 value) {
    *(u64 *)to = __builtin_bswap64(value);
}

static inline void write_u32(u8 *to, u32 value) {
    *(u32 *)to = __builtin_bswap32(value);
}

static inline void copy_key(u8 *to, const u8 *from) {
    for (u64 word = 0; word < KEY_BYTES / 8; word++) {
        ((u64 *)to)[word] = ((const u64 *)from)[word];
    }
}

static inline void copy_bytes(u8 *to, const u8 *from, u64 length) {
    for (u64 place = 0; place < length; place++) {
        to[place] = from[place];
    }
}

static inline int is_same_key(const u8 *left, const u8 *right) {
    u64 difference = 0;
    for (u64 word = 0; word < KEY_BYTES / 8; word++) {
        difference |= ((const u64 *)left)[word] ^ ((const u64 *)right)[word];
    }
    return difference == 0;
}

static inline int is_zero_key(const u8 *key) {
    const u64 *words = (const u64 *)key;
    return (words[0] | words[1] | words[2] | words[3]) == 0;
}

// Compare big-endian numbers of one width; negative, zero or positive.
static inline int compare_bytes(const u8 *left, const u8 *right, u64 length) {
    for (u64 place = 0; place < length; place++) {
        if (left[place] != right[place]) {
            return left[place] < right[place] ? -1 : 1;
        }
    }
    return 0;
}

static inline u64 add_checked(u64 left, u64 right, u64 *sum) {
    *sum = left + right;
    return *sum < left;
}
