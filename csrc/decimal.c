#include "decimal.h"

typedef struct digits {
    const char *whole;    /* the digits before the point */
    const char *fraction; /* those after it */
    size_t whole_count;
    size_t fraction_count;
    int negative;
} digits;

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && (unsigned char)(*p - '0') < 10)
        p++;
    return p;
}

/* 1 if the text is a decimal of the form the header tells. */
static int split(const char *text, size_t length, digits *d)
{
    const char *p = text, *end = text + length;
    d->negative = p < end && *p == '-';
    d->whole = p += d->negative;
    p = skip_digits(p, end);
    d->whole_count = (size_t)(p - d->whole);
    d->fraction = p;
    d->fraction_count = 0;
    if (p < end && *p == '.') {
        d->fraction = ++p;
        p = skip_digits(p, end);
        d->fraction_count = (size_t)(p - d->fraction);
        if (!d->fraction_count)
            return 0;
    }
    return p == end && d->whole_count;
}

/* 0 when the value would leave 64 bits. */
static int append(uint64_t *value, const char *p, size_t count)
{
    uint64_t v = *value;
    for (size_t i = 0; i < count; i++)
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(p[i] - '0'), &v))
            return 0;
    *value = v;
    return 1;
}

static int shift(uint64_t *value, size_t zeros)
{
    for (; zeros && *value; zeros--)
        if (__builtin_mul_overflow(*value, 10u, value))
            return 0;
    return 1;
}

static int all_zeros(const char *p, size_t count)
{
    while (count && p[count - 1] == '0')
        count--;
    return !count;
}

ida_status ida_decimal_parse(const char *text, size_t length, int32_t decimals, int64_t *out)
{
    digits d;
    if (decimals < 0 || !split(text, length, &d))
        return IDA_BAD;
    size_t kept = d.fraction_count < (size_t)decimals ? d.fraction_count : (size_t)decimals;
    if (!all_zeros(d.fraction + kept, d.fraction_count - kept))
        return IDA_OFF_GRID;
    uint64_t value = 0;
    if (!append(&value, d.whole, d.whole_count) || !append(&value, d.fraction, kept)
        || !shift(&value, (size_t)decimals - kept))
        return IDA_RANGE;
    if (value > (uint64_t)INT64_MAX + (uint64_t)d.negative)
        return IDA_RANGE;
    *out = (int64_t)(d.negative ? 0 - value : value);
    return IDA_OK;
}

ida_status ida_decimal_steps(const char *text, size_t length, int32_t decimals, int64_t step, int64_t *out)
{
    int64_t value;
    if (step < 1)
        return IDA_BAD;
    ida_status status = ida_decimal_parse(text, length, decimals, &value);
    if (status != IDA_OK)
        return status;
    if (value % step)
        return IDA_OFF_GRID;
    *out = value / step;
    return IDA_OK;
}

int32_t ida_decimal_places(const char *text, size_t length)
{
    digits d;
    if (!split(text, length, &d) || d.fraction_count > INT32_MAX)
        return -1;
    return (int32_t)d.fraction_count;
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

size_t ida_decimal_format(int64_t value, int32_t decimals, char *out, size_t capacity)
{
    char reversed[40];
    size_t n = 0;
    if (decimals < 0 || decimals > 18)
        return 0;
    uint64_t rest = magnitude(value);
    for (; decimals && rest % 10 == 0; decimals--)
        rest /= 10;
    for (int32_t i = 0; i < decimals; i++, rest /= 10)
        reversed[n++] = (char)('0' + rest % 10);
    if (decimals)
        reversed[n++] = '.';
    do
        reversed[n++] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        reversed[n++] = '-';
    if (n > capacity)
        return 0;
    for (size_t i = 0; i < n; i++)
        out[i] = reversed[n - 1 - i];
    return n;
}

int64_t ida_gcd(int64_t a, int64_t b)
{
    uint64_t x = magnitude(a), y = magnitude(b);
    while (y) {
        uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    return x > INT64_MAX ? INT64_MAX : (int64_t)x;
}
