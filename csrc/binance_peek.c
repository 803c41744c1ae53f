#include "binance_peek.h"
#include "digits.h"

enum { MOST_MEMBERS = 12 };

static int starts(const char *p, const char *end, const char *with, size_t length)
{
    return (size_t)(end - p) >= length && !memcmp(p, with, length);
}

int ida_binance_form_of(const char *name, size_t length)
{
    const char *end = name + length, *at = memchr(name, '@', length);
    if (!at)
        return IDA_FORM_EVENT;
    at++;
    if (starts(at, end, "depth", 5))
        return end - at > 5 && at[5] >= '0' && at[5] <= '9' ? IDA_FORM_TOP : IDA_FORM_DIFF;
    if (end - at == 5 && !memcmp(at, "trade", 5))
        return IDA_FORM_TRADE;
    if (end - at == 8 && !memcmp(at, "aggTrade", 8))
        return IDA_FORM_AGGREGATE;
    return end - at == 10 && !memcmp(at, "bookTicker", 10) ? IDA_FORM_QUOTE : IDA_FORM_EVENT;
}

/* The quote that ends a string without escapes, or NULL; p is behind the one that begins it. */
static const char *closing(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t stops = ida_not_plain(ida_load8(p));
        p += stops ? ida_first_byte(stops) : 8;
        if (stops && *p == '"')
            return p;
        if (stops && !(*p & 0x80))
            return NULL;
        p += stops != 0; /* a byte of a letter that is not ASCII's */
    }
    return NULL;
}

int ida_binance_peek(const char *text, size_t bytes, ida_binance_peeked *peeked)
{
    static const char before[] = "{\"stream\":\"", between[] = "\",\"data\":";
    const char *end = text + bytes, *p = text + sizeof before - 1;
    if (!starts(text, end, before, sizeof before - 1) || end[-1] != '}')
        return 0;
    const char *close = closing(p, end);
    if (!close || !starts(close, end, between, sizeof between - 1))
        return 0;
    peeked->name = p;
    peeked->name_length = (size_t)(close - p);
    peeked->data = close + sizeof between - 1;
    peeked->end = end - 1;
    return 1;
}

static const char *behind_blanks(const char *p, const char *end)
{
    while (p < end && *p == ' ')
        p++;
    return p;
}

/* A whole number of at most 18 digits; the byte behind it, or NULL. */
static const char *digits(const char *p, const char *end, int64_t *value)
{
    static const uint64_t power[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    const char *from = p;
    uint64_t v = 0;
    unsigned n = 8;
    for (; n == 8 && end - p >= 8 && p - from <= 18; p += n) {
        uint64_t eight = ida_as_digits(ida_load8(p)), others = ida_not_digits(eight);
        n = others ? ida_first_byte(others) : 8;
        if (n)
            v = v * power[n] + ida_value8(eight << (64 - 8 * n));
    }
    *value = (int64_t)v;
    return n < 8 && p > from && p - from <= 18 && (*from != '0' || p - from == 1) ? p : NULL;
}

int64_t ida_binance_time_ns(int64_t value)
{
    int64_t ns;
    return __builtin_mul_overflow(value, value >= 100000000000000 ? 1000 : 1000000, &ns) ? IDA_NO_VENUE_TIME : ns;
}

/* Copies of one message are alike in each byte behind the ids. */
static uint64_t digest_of(const char *p, const char *end)
{
    uint64_t lanes[4] = {0x243f6a8885a308d3u, 0x13198a2e03707344u, 0xa4093822299f31d0u, 0x082efa98ec4e6c89u};
    char rest[32] = {0};
    for (; end - p >= 32; p += 32)
        for (int i = 0; i < 4; i++)
            lanes[i] = (lanes[i] << 29 | lanes[i] >> 35) * 0x9e3779b97f4a7c15u ^ ida_load8(p + 8 * i);
    memcpy(rest, p, (size_t)(end - p));
    uint64_t all = (uint64_t)(end - p);
    for (int i = 0; i < 4; i++) {
        lanes[i] = (lanes[i] << 29 | lanes[i] >> 35) * 0x9e3779b97f4a7c15u ^ ida_load8(rest + 8 * i);
        all = (all << 29 | all >> 35) * 0x9e3779b97f4a7c15u ^ lanes[i];
    }
    return all | 1;
}

/* What the walk over the first members has found. */
typedef struct found {
    int64_t first, last, time;
    const char *behind; /* the last id */
} found;

enum { NOTHING = 0, TIME = 1, FIRST = 2, LAST = 4 };

/* What a key means in this form. */
static int meaning(int form, const char *key, size_t length)
{
    if (length == 12)
        return form == IDA_FORM_TOP && !memcmp(key, "lastUpdateId", 12) ? LAST : NOTHING;
    if (length != 1)
        return NOTHING;
    switch (*key) {
    case 'E':
        return form == IDA_FORM_EVENT ? TIME | LAST : TIME;
    case 'U':
        return form == IDA_FORM_DIFF ? FIRST : NOTHING;
    case 'u':
        return form == IDA_FORM_DIFF || form == IDA_FORM_QUOTE || form == IDA_FORM_TOP ? LAST : NOTHING;
    case 't':
        return form == IDA_FORM_TRADE ? LAST : NOTHING;
    case 'a':
        return form == IDA_FORM_AGGREGATE ? LAST : NOTHING;
    default:
        return NOTHING;
    }
}

/* One member, `"key":` and a plain string or a whole number; the byte behind it, or NULL. */
static const char *member(const char *p, const char *end, int form, found *f, int *seen)
{
    const char *key = p + 1, *close;
    int64_t value;
    if (end - p < 8 || *p != '"')
        return NULL;
    close = p[2] == '"' ? p + 2 : closing(key, end);
    if (!close || end - close < 3 || close[1] != ':' || (p = behind_blanks(close + 2, end)) == end)
        return NULL;
    int what = meaning(form, key, (size_t)(close - key));
    if (*p == '"')
        return what == NOTHING && (close = closing(p + 1, end)) ? close + 1 : NULL;
    p = digits(p, end, &value);
    if (!p || (what & *seen))
        return NULL;
    *seen |= what;
    if (what & TIME)
        f->time = ida_binance_time_ns(value);
    if (what & FIRST)
        f->first = value;
    if (what & LAST) {
        f->last = what & TIME ? f->time : value;
        f->behind = p;
    }
    return p;
}

/* Where ids are chained by the former's last one, that is what a message follows. */
static void take_previous(found *f, const char *end)
{
    static const char key[] = ",\"pu\":";
    int64_t previous;
    if (starts(f->behind, end, key, sizeof key - 1) && digits(f->behind + sizeof key - 1, end, &previous))
        f->first = previous + 1;
}

static int walk(const ida_binance_peeked *peeked, int form, found *f)
{
    int seen = 0, wanted = form == IDA_FORM_DIFF ? FIRST | LAST : LAST;
    const char *p = peeked->data, *end = peeked->end;
    if (form == IDA_FORM_EVENT && p < end && *p == '[')
        p = behind_blanks(p + 1, end);
    if (p >= end || *p != '{')
        return 0;
    for (int i = 0; i < MOST_MEMBERS; i++) {
        p = member(behind_blanks(p + 1, end), end, form, f, &seen);
        if (p && (seen & wanted) == wanted)
            return 1;
        if (!p || p >= end || *p != ',')
            return 0;
    }
    return 0;
}

int ida_binance_peek_ids(const ida_binance_peeked *peeked, int form, ida_arrival *m)
{
    found f = {.time = IDA_NO_VENUE_TIME};
    if (!walk(peeked, form, &f))
        return 0;
    if (form == IDA_FORM_DIFF)
        take_previous(&f, peeked->end);
    else
        f.first = f.last;
    m->first_id = f.first;
    m->last_id = f.last;
    m->ts_venue_ns = f.time;
    m->digest = form == IDA_FORM_EVENT ? 0 : digest_of(f.behind, peeked->end);
    return f.last >= 0 && f.first <= f.last;
}
