#include "binance_message.h"
#include "json.h"

ida_status ida_message_fail(ida_message *m, ida_status status, const char *at, const char *rule)
{
    if (m->status == IDA_OK) {
        m->status = status;
        m->rule = rule;
        m->fault = at;
    }
    return m->status;
}

static ida_status bad(ida_message *m, const char *rule)
{
    return ida_message_fail(m, IDA_BAD, m->p, rule);
}

/* Leaves the short way: the value at m->p by all of JSON's rules. */
static ida_status skip(ida_message *m, ida_status (*by)(const char *, size_t, size_t *, const char **))
{
    size_t at = (size_t)(m->p - m->text);
    const char *rule = NULL;
    ida_status status = by(m->text, (size_t)(m->end - m->text), &at, &rule);
    m->p = m->text + at;
    return status == IDA_OK ? IDA_OK : ida_message_fail(m, status, m->p, rule);
}

static ida_status skip_string(ida_message *m, ida_span *span)
{
    size_t from = (size_t)(m->p - m->text), at = from;
    const char *rule = NULL;
    int escaped = 0;
    ida_status status = ida_json_skip_string(m->text, (size_t)(m->end - m->text), &at, &escaped, &rule);
    m->p = m->text + at;
    if (status != IDA_OK)
        return ida_message_fail(m, status, m->p, rule);
    *span = (ida_span){m->text + from + 1, (uint32_t)(at - from - 2), '"', (uint8_t)escaped};
    return IDA_OK;
}

/* m->p is a quote. */
static inline ida_status string(ida_message *m, ida_span *span)
{
    const char *p = m->p + 1;
    while (m->limit - p >= 8) {
        uint64_t stops = ida_not_plain(ida_load8(p));
        if (!stops) {
            p += 8;
            continue;
        }
        p += ida_first_byte(stops);
        if (*p != '"' || p >= m->end)
            break;
        *span = (ida_span){m->p + 1, (uint32_t)(p - m->p - 1), '"', 0};
        m->p = p + 1;
        return IDA_OK;
    }
    return skip_string(m, span);
}

ida_status ida_message_string(ida_message *m, ida_span *span)
{
    return ida_message_next(m) == '"' ? string(m, span) : skip_string(m, span);
}

static inline ida_status number(ida_message *m, ida_span *span)
{
    const char *from = m->p, *p = from;
    while (m->limit - p >= 8) {
        uint64_t others = ida_not_digits(ida_as_digits(ida_load8(p)));
        p += others ? ida_first_byte(others) : 8;
        if (!others)
            continue;
        if (p >= m->end || p == from || *from == '0' || *p == '.' || *p == 'e' || *p == 'E')
            break;
        *span = (ida_span){from, (uint32_t)(p - from), '0', 0};
        m->p = p;
        return IDA_OK;
    }
    ida_status status = skip(m, ida_json_skip_number);
    *span = (ida_span){from, (uint32_t)(m->p - from), '0', 0};
    return status;
}

static ida_status other(ida_message *m, ida_span *span)
{
    const char *from = m->p;
    int type = ida_message_next(m);
    ida_status status = skip(m, ida_json_skip);
    *span = (ida_span){from, (uint32_t)(m->p - from), (uint8_t)type, 0};
    return status;
}

static inline ida_status value(ida_message *m, ida_span *span)
{
    int c = ida_message_next(m);
    if (c == '"')
        return string(m, span);
    if ((c >= '0' && c <= '9') || c == '-')
        return number(m, span);
    return other(m, span);
}

ida_status ida_message_text(const ida_span *span, char *scratch, size_t capacity, const char **text, size_t *length)
{
    *text = span->at;
    *length = span->length;
    if (!span->escaped)
        return IDA_OK;
    *text = scratch;
    ida_status status = ida_json_unescape(span->at, span->length, scratch, capacity, length);
    return status == IDA_FULL ? IDA_RANGE : status;
}

/* The slot of a key, or -1 for one that nobody needs. */
static int slot_of(const char *key, size_t length)
{
    static const struct { const char *name; uint8_t length; uint8_t slot; } known[] = {
        {"pu", 2, IDA_KEY_PU},           {"st", 2, IDA_KEY_ST},         {"bids", 4, IDA_KEY_BIDS},
        {"asks", 4, IDA_KEY_ASKS},       {"data", 4, IDA_KEY_DATA},     {"code", 4, IDA_KEY_CODE},
        {"error", 5, IDA_KEY_ERROR},     {"event", 5, IDA_KEY_EVENT},   {"symbol", 6, IDA_KEY_SYMBOL},
        {"stream", 6, IDA_KEY_STREAM},   {"result", 6, IDA_KEY_RESULT}, {"lastUpdateId", 12, IDA_KEY_LAST_ID},
    };
    if (length == 1)
        return (*key >= 'A' && *key <= 'Z') || (*key >= 'a' && *key <= 'z') ? IDA_SLOT(*key) : -1;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].length == length && !memcmp(known[i].name, key, length))
            return known[i].slot;
    return -1;
}

/* A key and its colon, up to the value. */
static ida_status long_key(ida_message *m, int *slot)
{
    ida_span span;
    char scratch[16];
    const char *text;
    size_t length;
    if (string(m, &span) != IDA_OK)
        return m->status;
    ida_message_space(m);
    if (ida_message_next(m) != ':')
        return bad(m, "a colon is missing after a key");
    m->p++;
    ida_message_space(m);
    *slot = ida_message_text(&span, scratch, sizeof scratch, &text, &length) == IDA_OK ? slot_of(text, length) : -1;
    return IDA_OK;
}

static inline ida_status key(ida_message *m, int *slot)
{
    const char *p = m->p;
    if (m->end - p < 5 || p[0] != '"')
        return ida_message_next(m) == '"' ? long_key(m, slot) : bad(m, "a key should begin here");
    unsigned letter = (unsigned char)(p[1] | 0x20);
    if (p[2] != '"' || p[3] != ':' || letter < 'a' || letter > 'z')
        return long_key(m, slot);
    *slot = IDA_SLOT(p[1]);
    m->p = p + 4;
    if ((unsigned char)*m->p <= ' ')
        ida_message_space(m);
    return IDA_OK;
}

/* An array of levels: written at once where its symbol is known and bids come before asks, else when all is known. */
static ida_status list(ida_message *m, ida_fields *f, int slot)
{
    int side = slot == IDA_SLOT('a') || slot == IDA_KEY_ASKS;
    int named = slot == IDA_KEY_BIDS || slot == IDA_KEY_ASKS;
    ida_span *span = &f->at[slot];
    const char *from = m->p;
    ida_status status;
    if (m->lists == side && (!side || m->listed == f) && ida_message_find_symbol(m, f, named) && m->lists == side) {
        m->listed = f;
        status = ida_message_levels(m, side);
        m->lists = status == IDA_OK ? side + 1 : side;
    } else {
        status = skip(m, ida_json_skip);
    }
    *span = (ida_span){from, (uint32_t)(m->p - from), '[', 0};
    return status;
}

static int is_list(int slot)
{
    return slot == IDA_SLOT('b') || slot == IDA_SLOT('a') || slot == IDA_KEY_BIDS || slot == IDA_KEY_ASKS;
}

static ida_status object(ida_message *m, ida_fields *f);

static ida_status opened(ida_message *m, ida_fields *f, int slot, int c)
{
    if (c == '[' && is_list(slot) && f != &m->bar)
        return list(m, f, slot);
    f->at[slot] = (ida_span){m->p, 0, (uint8_t)c, 0};
    if (c == '{' && slot == IDA_KEY_DATA && f == &m->outer) {
        m->payload = &m->inner;
        return object(m, &m->inner);
    }
    if (c == '{' && slot == IDA_SLOT('k') && f != &m->bar && !m->bar.seen)
        return object(m, &m->bar);
    return other(m, &f->at[slot]);
}

static inline ida_status member(ida_message *m, ida_fields *f)
{
    int slot = -1;
    const char *from = m->p;
    ida_span unused;
    if (key(m, &slot) != IDA_OK)
        return m->status;
    if (slot < 0)
        return value(m, &unused);
    if (ida_fields_has(f, slot))
        return ida_message_fail(m, IDA_BAD, from, "a key is given twice");
    f->seen |= 1ull << slot;
    int c = ida_message_next(m);
    return c == '[' || c == '{' ? opened(m, f, slot, c) : value(m, &f->at[slot]);
}

/* m->p is the opening brace. */
static ida_status object(ida_message *m, ida_fields *f)
{
    m->p++;
    ida_message_space(m);
    if (ida_message_next(m) == '}') {
        m->p++;
        return IDA_OK;
    }
    for (;;) {
        if (member(m, f) != IDA_OK)
            return m->status;
        ida_message_space(m);
        int c = ida_message_next(m);
        m->p++;
        if (c == '}')
            return IDA_OK;
        if (c != ',') {
            m->p--;
            return bad(m, c < 0 ? "the message ends within an object" : "a comma or a closing brace is missing");
        }
        ida_message_space(m);
    }
}

ida_status ida_message_walk(ida_message *m)
{
    ida_message_space(m);
    if (ida_message_next(m) == '[') {
        ida_span unused;
        if (other(m, &unused) != IDA_OK)
            return m->status;
    } else if (ida_message_next(m) != '{') {
        return bad(m, "a message is a JSON object");
    } else if (object(m, &m->outer) != IDA_OK) {
        return m->status;
    }
    ida_message_space(m);
    return m->p == m->end ? IDA_OK : bad(m, "bytes after the message");
}
