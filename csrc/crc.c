#include "crc.h"

#include <string.h>

/* Slicing by eight. CRC is linear, so an entry is the sum of those of its bits, and eight numbers make a table:
 * row k holds what the bytes 1, 2, 4, ... 128 become when k more zero bytes follow them. */
#define BIT(i, b, value) (((i) >> (b) & 1u) ? (value) : 0u)
#define ENTRY(i, r0, r1, r2, r3, r4, r5, r6, r7)                                                       \
    (BIT(i, 0, r0) ^ BIT(i, 1, r1) ^ BIT(i, 2, r2) ^ BIT(i, 3, r3) ^ BIT(i, 4, r4) ^ BIT(i, 5, r5) ^   \
     BIT(i, 6, r6) ^ BIT(i, 7, r7))
#define FOUR(i, ...)                                                                                  \
    ENTRY(i, __VA_ARGS__), ENTRY((i) + 1, __VA_ARGS__), ENTRY((i) + 2, __VA_ARGS__), ENTRY((i) + 3, __VA_ARGS__)
#define SIXTEEN(i, ...)                                                                               \
    FOUR(i, __VA_ARGS__), FOUR((i) + 4, __VA_ARGS__), FOUR((i) + 8, __VA_ARGS__), FOUR((i) + 12, __VA_ARGS__)
#define QUARTER(i, ...)                                                                               \
    SIXTEEN(i, __VA_ARGS__), SIXTEEN((i) + 16, __VA_ARGS__), SIXTEEN((i) + 32, __VA_ARGS__),              \
        SIXTEEN((i) + 48, __VA_ARGS__)
#define ALL(...)                                                                                      \
    QUARTER(0u, __VA_ARGS__), QUARTER(64u, __VA_ARGS__), QUARTER(128u, __VA_ARGS__), QUARTER(192u, __VA_ARGS__)

static const uint32_t table[8][256] = {
    { ALL(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc, 0x82f63b78) },
    { ALL(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604, 0xfbc3faf9) },
    { ALL(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9, 0x8b277743) },
    { ALL(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7, 0x52a0c93f) },
    { ALL(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae, 0x6ea2d55c) },
    { ALL(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb, 0x1c08b7d6) },
    { ALL(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a, 0xf56e0ef4) },
    { ALL(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32, 0x34019664) }
};

static uint64_t load64(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static uint32_t by_table(uint32_t state, const unsigned char *p, size_t length)
{
    for (; length >= 8; length -= 8, p += 8) {
        uint64_t w = load64(p) ^ state;
        state = table[7][w & 255] ^ table[6][w >> 8 & 255] ^ table[5][w >> 16 & 255] ^ table[4][w >> 24 & 255] ^
                table[3][w >> 32 & 255] ^ table[2][w >> 40 & 255] ^ table[1][w >> 48 & 255] ^ table[0][w >> 56];
    }
    for (; length; length--)
        state = state >> 8 ^ table[0][(state ^ *p++) & 255];
    return state;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t state, const unsigned char *p,
                                                                 size_t length)
{
    uint64_t wide = state;
    for (; length >= 8; length -= 8, p += 8)
        wide = __builtin_ia32_crc32di(wide, load64(p));
    state = (uint32_t)wide;
    for (; length; length--)
        state = __builtin_ia32_crc32qi(state, *p++);
    return state;
}
#endif

uint32_t ida_crc32c_table(uint32_t crc, const void *bytes, size_t length)
{
    return ~by_table(~crc, bytes, length);
}

uint32_t ida_crc32c(uint32_t crc, const void *bytes, size_t length)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~by_instruction(~crc, bytes, length);
#endif
    return ida_crc32c_table(crc, bytes, length);
}
