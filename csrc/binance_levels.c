#include "binance_message.h"
#include "json.h"

#define APART __attribute__((noinline))

static const char *const not_decimal[] = {"a price is not a decimal", "a quantity is not a decimal"};
static const char *const negative[] = {"a price is negative", "a quantity is negative"};
static const char *const between[] = {"a price lies between two ticks", "a quantity lies between two lots"};
static const char *const too_long[] = {"a price has too many digits", "a quantity has too many digits"};

static uint64_t gcd_of(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The short way for texts of the usual number of places, onto a step of unit x 10^-decimals. */
static void set_step(ida_step *step, int64_t unit, int32_t decimals, int32_t places)
{
    uint64_t multiply = 1, divisor = (uint64_t)unit;
    for (int32_t i = decimals; i < places && divisor; i++)
        divisor = divisor > UINT64_MAX / 10 ? 0 : divisor * 10;
    for (int32_t i = places; i < decimals; i++)
        multiply *= 10;
    uint64_t common = gcd_of(multiply, divisor);
    ida_step_set(step, multiply / common, divisor / common, places);
}

static void no_step(ida_step *step)
{
    ida_step_set(step, 1, 0, -1);
}

static int64_t *unit_of(ida_symbol *s, int kind)
{
    return kind == IDA_PRICE ? &s->pub.grid.tick : &s->pub.grid.lot;
}

/* The length of a decimal's text without what is beyond `decimals` places. */
static size_t trimmed(size_t length, int32_t places, int32_t decimals)
{
    return places <= decimals ? length : length - (size_t)(places - decimals) - (decimals == 0);
}

static int32_t significant(const char *text, size_t length, int32_t places)
{
    while (places > 0 && text[--length] == '0')
        places--;
    return places;
}

static void teach(ida_message *m, int kind, int64_t value)
{
    ida_symbol *s = m->symbol;
    int64_t *unit = unit_of(s, kind);
    unsigned __int128 scaled = (unsigned __int128)value;
    if (!value)
        return;
    for (int32_t i = m->unit[kind]; i < s->decimals[kind]; i++)
        scaled *= 10;
    *unit = (int64_t)(*unit ? gcd_of((uint64_t)*unit, (uint64_t)(scaled % (uint64_t)*unit)) : (uint64_t)value);
    if (m->unit[kind] == s->decimals[kind])
        set_step(&s->step[kind], *unit, s->decimals[kind], s->decimals[kind]);
    else
        no_step(&s->step[kind]);
}

/* The units of a symbol's numbers, and of this record's, when the first number shows them or a former try did. */
static void settle_units(ida_message *m, int kind, int32_t places)
{
    ida_symbol *s = m->symbol;
    int32_t wanted = s->decimals[kind] < 0 ? places : s->decimals[kind];
    wanted = wanted < m->least[kind] ? m->least[kind] : wanted;
    int64_t *unit = unit_of(s, kind);
    for (; s->decimals[kind] >= 0 && s->decimals[kind] < wanted; s->decimals[kind]++)
        *unit = *unit > INT64_MAX / 10 ? 1 : *unit * 10;
    m->unit[kind] = wanted - m->lowered[kind];
    s->decimals[kind] = *unit ? wanted : m->unit[kind]; /* so far at most zeros were counted in them */
    if (m->unit[kind] == s->decimals[kind])
        set_step(&s->step[kind], *unit, m->unit[kind], m->unit[kind]);
    else
        no_step(&s->step[kind]);
}

void ida_message_units(ida_message *m)
{
    for (int kind = 0; kind < 2; kind++) {
        m->unit[kind] = m->symbol->decimals[kind];
        if (m->unit[kind] >= 0 && (m->least[kind] || m->lowered[kind] || m->symbol->step[kind].places < 0))
            settle_units(m, kind, 0);
    }
}

/* The text is wrong for the units tried: says which ones would do, or that none does. */
static int64_t try_again(ida_message *m, int kind, const char *at, int32_t places, ida_status status)
{
    if (status == IDA_RANGE && m->unit[kind] > 0)
        m->lowered[kind]++;
    else if (status == IDA_OFF_GRID && !m->lowered[kind] && places <= 18)
        m->least[kind] = places;
    else
        return ida_message_fail(m, IDA_RANGE, at, too_long[kind]), 0;
    m->again = 1;
    ida_message_fail(m, IDA_RANGE, at, too_long[kind]);
    return 0;
}

static int64_t learn(ida_message *m, int kind, const char *at, const char *text, size_t length, int32_t places)
{
    int64_t v = 0;
    int32_t needed = significant(text, length, places);
    if (m->unit[kind] < 0)
        settle_units(m, kind, places > 18 ? 18 : places);
    if (m->off_book && needed > m->unit[kind]) {
        length = trimmed(length, places, m->unit[kind]);
        needed = m->unit[kind];
    }
    ida_status status = needed > m->unit[kind] ? IDA_OFF_GRID : ida_decimal_parse(text, length, m->unit[kind], &v);
    if (status != IDA_OK)
        return try_again(m, kind, at, needed, status);
    if (!m->off_book && v > 0)
        teach(m, kind, v);
    return v;
}

/* A number between two steps: off the book the one below; else the one above, and what is to be counted is noted. */
static ida_status one_step(ida_message *m, int kind, const char *at, const char *text, size_t length, int64_t *v)
{
    const ida_symbol *s = m->symbol;
    ida_status status = ida_decimal_parse(text, length, s->decimals[kind], v);
    *v /= *unit_of(m->symbol, kind);
    if (status != IDA_OK || m->off_book)
        return status;
    if (*text == '-')
        return *v = -1, IDA_OK;
    if (*v == INT64_MAX)
        return IDA_RANGE;
    ++*v;
    if (kind == IDA_QUANTITY) {
        m->uneven[m->part].rounded++;
        return IDA_OK;
    }
    m->uneven[m->part].off_tick++;
    if (m->part == IDA_ALL_ELSE && !m->between)
        m->between = at;
    return IDA_OK;
}

static int64_t known(ida_message *m, int kind, const char *at, const char *text, size_t length, int32_t places)
{
    ida_symbol *s = m->symbol;
    int64_t v = 0, unit = *unit_of(s, kind);
    ida_status status = ida_decimal_steps(text, length, s->decimals[kind], unit, &v);
    if (status == IDA_OFF_GRID && (m->off_book || s->pub.rounds))
        status = one_step(m, kind, at, text, trimmed(length, places, s->decimals[kind]), &v);
    if (status == IDA_RANGE)
        ida_message_fail(m, status, at, too_long[kind]);
    else if (status != IDA_OK)
        ida_message_fail(m, status, at, between[kind]);
    else if (places != s->step[kind].places)
        set_step(&s->step[kind], unit, s->decimals[kind], places);
    return v;
}

static int64_t slow_number(ida_message *m, int kind, const ida_span *span)
{
    char scratch[64];
    const char *text;
    size_t length;
    if (span->type != '"')
        return ida_message_fail(m, IDA_BAD, span->at, not_decimal[kind]), 0;
    if (ida_message_text(span, scratch, sizeof scratch, &text, &length) != IDA_OK)
        return ida_message_fail(m, IDA_RANGE, span->at, too_long[kind]), 0;
    int32_t places = ida_decimal_places(text, length);
    if (places < 0)
        return ida_message_fail(m, IDA_BAD, span->at, not_decimal[kind]), 0;
    int64_t v = m->decoder->learning ? learn(m, kind, span->at, text, length, places)
                                     : known(m, kind, span->at, text, length, places);
    if (v < 0)
        ida_message_fail(m, IDA_BAD, span->at, negative[kind]);
    return v;
}

/* The short way: NULL where the long one is needed. */
static inline const char *quick_number(ida_message *m, int kind, const char *p, int64_t *v)
{
    const ida_step *step = &m->symbol->step[kind];
    uint64_t value, quotient;
    p = m->limit - p < IDA_STEP_READS ? NULL : ida_step_read(step, p, &value);
    if (!p || p > m->end || !ida_step_divide(step, value, &quotient))
        return NULL;
    *v = (int64_t)(m->decoder->learning ? value : quotient);
    return p;
}

int64_t ida_message_number(ida_message *m, int kind, const ida_span *span)
{
    int64_t v;
    m->symbol->seen[kind] += !m->off_book;
    if (span->type == '"' && quick_number(m, kind, span->at, &v) == span->at + span->length + 1)
        return v;
    return slow_number(m, kind, span);
}

/* The longest level of the short form, ["12345678.12345678","12345678.12345678"], and what is read beyond it. */
enum { LEVEL_READS = 48 };

static inline const char *quick_level(const ida_symbol *s, int learning, const char *p, ida_level *level)
{
    uint64_t price, quantity, ticks, lots;
    if (p[0] != '[' || p[1] != '"')
        return NULL;
    p = ida_step_read(&s->step[IDA_PRICE], p + 2, &price);
    if (!p || p[0] != ',' || p[1] != '"')
        return NULL;
    p = ida_step_read(&s->step[IDA_QUANTITY], p + 2, &quantity);
    if (!p || p[0] != ']' || !price || !ida_step_divide(&s->step[IDA_PRICE], price, &ticks) ||
        !ida_step_divide(&s->step[IDA_QUANTITY], quantity, &lots))
        return NULL;
    level->price = (int64_t)(learning ? price : ticks);
    level->quantity = (int64_t)(learning ? quantity : lots);
    return p + 1;
}

static ida_status expect(ida_message *m, char c)
{
    ida_message_space(m);
    if (ida_message_next(m) != c)
        return ida_message_fail(m, IDA_BAD, m->p, "a level is not [\"price\",\"quantity\"]");
    m->p++;
    ida_message_space(m);
    return IDA_OK;
}

/* *kept: 0 for one between two ticks. */
static ida_status slow_level(ida_message *m, ida_level *level, uint32_t *kept)
{
    ida_span price, quantity;
    if (expect(m, '[') != IDA_OK || ida_message_string(m, &price) != IDA_OK || expect(m, ',') != IDA_OK ||
        ida_message_string(m, &quantity) != IDA_OK || expect(m, ']') != IDA_OK)
        return m->status;
    ida_uneven *uneven = &m->uneven[m->part], before = *uneven;
    level->price = slow_number(m, IDA_PRICE, &price);
    level->quantity = slow_number(m, IDA_QUANTITY, &quantity);
    if (!level->price)
        ida_message_fail(m, IDA_BAD, price.at, "a level's price is not above 0");
    if (uneven->off_tick != before.off_tick) {
        uneven->rounded = before.rounded;
        *kept = 0;
    }
    return m->status;
}

/* Any other level. Of the last ones of a message the short form too: there is no room to read on behind them. */
static APART ida_status one_level(ida_message *m, ida_level *level, uint32_t *kept)
{
    char padded[LEVEL_READS] = {0};
    size_t left = (size_t)(m->end - m->p);
    if (left < sizeof padded) {
        memcpy(padded, m->p, left);
        const char *p = quick_level(m->symbol, m->decoder->learning, padded, level);
        if (p && (size_t)(p - padded) <= left) {
            m->p += p - padded;
            return IDA_OK;
        }
    }
    return slow_level(m, level, kept);
}

/* After a level, or after the opening bracket: 1 when another one follows. */
static int more_levels(ida_message *m)
{
    if (ida_message_next(m) == ',' && m->end - m->p > 1 && m->p[1] == '[') {
        m->p++;
        return 1;
    }
    ida_message_space(m);
    int c = ida_message_next(m);
    if (c != ',' && c != ']')
        return ida_message_fail(m, IDA_BAD, m->p, "a comma or a closing bracket is missing after a level"), 0;
    m->p++;
    ida_message_space(m);
    return c == ',';
}

static ida_status write_levels(ida_message *m, ida_level *levels, uint32_t capacity, uint32_t *count)
{
    *count = 0;
    do {
        if (*count == capacity)
            return ida_message_fail(m, IDA_FULL, m->p, "the record has no room for so many levels");
        const char *p = NULL;
        uint32_t kept = 1;
        if (m->limit - m->p >= LEVEL_READS)
            p = quick_level(m->symbol, m->decoder->learning, m->p, &levels[*count]);
        if (p && p <= m->end)
            m->p = p;
        else if (one_level(m, &levels[*count], &kept) != IDA_OK)
            return m->status;
        *count += kept;
    } while (more_levels(m));
    return m->status;
}

ida_status ida_message_levels(ida_message *m, int side)
{
    uint32_t before = side ? m->count[0] : 0, count = 0;
    m->count[side] = 0;
    m->uneven[side] = (ida_uneven){0, 0};
    m->p++;
    ida_message_space(m);
    if (ida_message_next(m) == ']') {
        m->p++;
        return IDA_OK;
    }
    m->part = side;
    write_levels(m, m->depth->levels + before, m->capacity - before, &count);
    m->part = IDA_ALL_ELSE;
    m->count[side] = count;
    m->symbol->seen[IDA_PRICE] += count;
    m->symbol->seen[IDA_QUANTITY] += count;
    return m->status;
}
