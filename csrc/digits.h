/* digits.h - decimal digits eight at a time, and exact division by a step that is known beforehand. Internal to the
 * decoders: inline functions, no part of the cdef. Little-endian, as the records are. */
#ifndef IDA_DIGITS_H
#define IDA_DIGITS_H
#include <stdint.h>
#include <string.h>

#define IDA_EACH(byte) (0x0101010101010101u * (uint64_t)(byte))

static inline uint64_t ida_load8(const char *p)
{
    uint64_t eight;
    memcpy(&eight, p, 8);
    return eight;
}

/* Eight characters as digits: 0..9 each where the character was one. */
static inline uint64_t ida_as_digits(uint64_t eight)
{
    return eight ^ IDA_EACH('0');
}

/* Bit 7 of each byte that is no digit; right up to the first such byte, which is what matters. */
static inline uint64_t ida_not_digits(uint64_t digits)
{
    return ((digits + IDA_EACH(0x76)) | digits) & IDA_EACH(0x80);
}

/* The value of eight digits, the first one highest. Shift left by 8 x (8 - n) to take the first n alone. */
static inline uint64_t ida_value8(uint64_t digits)
{
    digits = digits * 10 + (digits >> 8);
    return ((digits & 0x000000ff000000ffu) * 0x000f424000000064u +
            ((digits >> 16) & 0x000000ff000000ffu) * 0x0000271000000001u) >> 32;
}

/* Bit 7 of the bytes that end the plain part of a JSON string: a quote, a backslash, a control character, or one
 * that is not ASCII; right up to the first such byte. */
static inline uint64_t ida_not_plain(uint64_t eight)
{
    uint64_t quote = eight ^ IDA_EACH('"'), backslash = eight ^ IDA_EACH('\\');
    return (((quote - IDA_EACH(1)) & ~quote) | ((backslash - IDA_EACH(1)) & ~backslash) |
            ((eight - IDA_EACH(0x20)) & ~eight) | eight) & IDA_EACH(0x80);
}

static inline unsigned ida_first_byte(uint64_t flags)
{
    return (unsigned)__builtin_ctzll(flags) >> 3;
}

/* How texts with `places` digits after the point become whole numbers of a step. */
typedef struct ida_step {
    uint64_t divisor;  /* a number in units of 10^-places must be divisible by this, ... */
    uint64_t multiply; /* ... and the quotient times this is the number in steps */
    uint64_t inverse;  /* of the divisor's odd part, modulo 2^64 */
    uint64_t most;     /* the highest quotient that is one */
    uint64_t scale;   /* 10^places */
    uint64_t flags;   /* bit 7 of the first `places` bytes */
    int32_t shift;    /* trailing zero bits of the divisor */
    int32_t places;   /* 0..8; anything else: there is no short way */
} ida_step;

/* For texts of `places` digits after the point, of which each stands for multiply / divisor steps (in lowest terms).
 * divisor 0, or more than 8 places: no short way. */
static inline void ida_step_set(ida_step *s, uint64_t multiply, uint64_t divisor, int32_t places)
{
    s->places = places >= 0 && places <= 8 && divisor ? places : -1;
    s->divisor = divisor ? divisor : 1;
    s->multiply = multiply;
    s->shift = __builtin_ctzll(s->divisor);
    uint64_t odd = s->divisor >> s->shift, inverse = odd * 3 ^ 2;
    for (int i = 0; i < 4; i++)
        inverse *= 2 - odd * inverse;
    s->inverse = inverse;
    s->most = UINT64_MAX / s->divisor;
    if (s->most > INT64_MAX / multiply)
        s->most = INT64_MAX / multiply;
    s->scale = 1;
    for (int i = 0; i < s->places; i++)
        s->scale *= 10;
    s->flags = s->places > 0 ? IDA_EACH(0x80) >> (64 - 8 * s->places) : 0;
}

/* 1 and the number of steps if v is a whole one: a multiple of an odd number times its inverse is small, all others
 * wrap around. */
static inline int ida_step_divide(const ida_step *s, uint64_t v, uint64_t *steps)
{
    uint64_t q = v * s->inverse;
    q = q >> s->shift | q << (-s->shift & 63);
    *steps = q * s->multiply;
    return q <= s->most;
}

enum { IDA_STEP_READS = 20 };

/* The number that begins at p and ends with a quote, in units of 10^-places. Answers the byte after the quote, of
 * which two more may be read; NULL: not in this short form (at most 8 digits before the point, `places` after it).
 * IDA_STEP_READS bytes from p on are read. */
static inline const char *ida_step_read(const ida_step *s, const char *p, uint64_t *value)
{
    if (s->places < 0)
        return NULL;
    uint64_t digits = ida_as_digits(ida_load8(p)), others = ida_not_digits(digits);
    unsigned n = others ? ida_first_byte(others) : 8, places = (unsigned)s->places;
    if (n == 0)
        return NULL;
    uint64_t whole = digits << (64 - 8 * n);
    p += n;
    if (places == 0) {
        *value = ida_value8(whole);
        return *p == '"' ? p + 1 : NULL;
    }
    digits = ida_as_digits(ida_load8(p + 1));
    if (*p != '.' || (ida_not_digits(digits) & s->flags) || p[1 + places] != '"')
        return NULL;
    digits <<= 64 - 8 * places;
    if (n + places <= 8) /* all of them fit into one word */
        *value = ida_value8(whole >> 8 * places | digits);
    else
        *value = ida_value8(whole) * s->scale + ida_value8(digits);
    return p + places + 2;
}

#endif
