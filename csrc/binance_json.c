#include "binance_message.h"
#include <stdlib.h>

enum {
    LARGEST = 128,        /* bytes that any record without levels fits in */
    MOST_BYTES = 1 << 28, /* of one message, and of the levels of one record */
};

static uint64_t hash_of(const char *name, size_t length)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)name[i]) * 1099511628211u;
    return h ^ h >> 29;
}

ida_binance *ida_binance_new(size_t symbols, int learning)
{
    ida_binance *b = calloc(1, sizeof *b);
    size_t slots = 4;
    while (slots < 2 * symbols)
        slots *= 2;
    if (!b || !symbols || symbols > UINT32_MAX / 4 || !(b->symbols = calloc(symbols, sizeof *b->symbols)) ||
        !(b->slots = calloc(slots, sizeof *b->slots))) {
        ida_binance_free(b);
        return NULL;
    }
    b->capacity = symbols;
    b->mask = slots - 1;
    b->learning = learning;
    return b;
}

void ida_binance_free(ida_binance *b)
{
    if (!b)
        return;
    free(b->symbols);
    free(b->slots);
    free(b);
}

/* The symbol's slot, or the free one where it belongs. */
static uint32_t *slot_of(const ida_binance *b, const char *name, size_t length)
{
    size_t i = hash_of(name, length) & b->mask;
    for (; b->slots[i]; i = (i + 1) & b->mask) {
        const ida_symbol *s = &b->symbols[b->slots[i] - 1];
        if (s->length == length && !memcmp(s->pub.name, name, length))
            break;
    }
    return &b->slots[i];
}

static ida_symbol *find(ida_binance *b, const char *name, size_t length)
{
    ida_symbol *last = &b->symbols[b->last];
    if (last->length == length && length && !memcmp(last->pub.name, name, length))
        return last;
    uint32_t index = *slot_of(b, name, length);
    if (!index)
        return NULL;
    b->last = index - 1;
    return &b->symbols[index - 1];
}

static ida_status insert(ida_binance *b, const ida_symbol *symbol, uint32_t *index)
{
    uint32_t *slot = slot_of(b, symbol->pub.name, symbol->length);
    if (*slot)
        return IDA_DUPLICATE;
    if (b->count == b->capacity)
        return IDA_FULL;
    *index = (uint32_t)b->count++;
    *slot = *index + 1;
    b->symbols[*index] = *symbol;
    b->symbols[*index].index = *index;
    return IDA_OK;
}

ida_status ida_binance_add(ida_binance *b, const ida_binance_symbol *symbol, uint32_t *index)
{
    ida_symbol s = {.pub = *symbol};
    const char *nul = memchr(symbol->name, 0, sizeof symbol->name);
    if (!nul || nul == symbol->name)
        return IDA_RANGE;
    s.length = (uint32_t)(nul - symbol->name);
    if (b->learning) {
        s.decimals[0] = s.decimals[1] = -1;
        s.pub.grid = (ida_grid){0, 0, 0, 0};
        s.pub.rounds = 0;
    } else {
        const ida_grid *g = &symbol->grid;
        if (g->tick < 1 || g->lot < 1 || g->price_decimals < 0 || g->price_decimals > 18 ||
            g->quantity_decimals < 0 || g->quantity_decimals > 18)
            return IDA_RANGE;
        s.decimals[IDA_PRICE] = g->price_decimals;
        s.decimals[IDA_QUANTITY] = g->quantity_decimals;
    }
    s.step[0].places = s.step[1].places = -1;
    return insert(b, &s, index);
}

size_t ida_binance_symbols(const ida_binance *b)
{
    return b->count;
}

const ida_binance_symbol *ida_binance_look(const ida_binance *b, uint32_t index)
{
    return index < b->count ? &b->symbols[index].pub : NULL;
}

static void make_symbol(ida_message *m, const char *name, size_t length)
{
    m->copy = (ida_symbol){.length = (uint32_t)length, .index = UINT32_MAX, .decimals = {-1, -1}};
    m->copy.pub.market = IDA_MARKET_UNKNOWN;
    m->copy.step[0].places = m->copy.step[1].places = -1;
    memcpy(m->copy.pub.name, name, length);
}

static int take(ida_message *m, ida_symbol *found)
{
    m->lists = 0;
    if (m->decoder->learning) {
        if (found)
            m->copy = *found;
        m->symbol = &m->copy;
        ida_message_units(m);
    } else {
        m->symbol = found;
    }
    return m->symbol != NULL;
}

int ida_message_take_symbol(ida_message *m, const char *name, size_t length)
{
    if (m->symbol && m->symbol->length == length && !memcmp(m->symbol->pub.name, name, length))
        return 1;
    ida_symbol *found = find(m->decoder, name, length);
    if (!found && m->decoder->learning && length && length < sizeof found->pub.name && !memchr(name, 0, length))
        make_symbol(m, name, length); /* the name of a symbol ends at its first NUL */
    else if (!found)
        return m->symbol = NULL, 0;
    return take(m, found);
}

/* "btcusdt@depth" -> BTCUSDT */
static int by_stream(ida_message *m, const ida_span *span)
{
    char scratch[128], upper[64];
    const char *text;
    size_t length, n = 0;
    if (ida_message_text(span, scratch, sizeof scratch, &text, &length) != IDA_OK)
        return 0;
    while (n < length && n < sizeof upper && text[n] != '@') {
        upper[n] = (char)(text[n] >= 'a' && text[n] <= 'z' ? text[n] - 32 : text[n]);
        n++;
    }
    return n < length && n < sizeof upper && ida_message_take_symbol(m, upper, n);
}

static int by_name(ida_message *m, const ida_span *span)
{
    char scratch[64];
    const char *text;
    size_t length;
    return span->type == '"' && ida_message_text(span, scratch, sizeof scratch, &text, &length) == IDA_OK &&
           ida_message_take_symbol(m, text, length);
}

static int by_default(ida_message *m)
{
    if (m->default_symbol < 0 || (size_t)m->default_symbol >= m->decoder->count)
        return 0;
    const ida_symbol *s = &m->decoder->symbols[m->default_symbol];
    return ida_message_take_symbol(m, s->pub.name, s->length);
}

int ida_message_find_symbol(ida_message *m, const ida_fields *f, int named_by_stream)
{
    if (ida_fields_has(f, IDA_SLOT('s')))
        return by_name(m, &f->at[IDA_SLOT('s')]);
    if (ida_fields_has(f, IDA_KEY_SYMBOL))
        return by_name(m, &f->at[IDA_KEY_SYMBOL]);
    if (!named_by_stream)
        return 0;
    if (ida_fields_has(&m->outer, IDA_KEY_STREAM) && m->outer.at[IDA_KEY_STREAM].type == '"')
        return by_stream(m, &m->outer.at[IDA_KEY_STREAM]);
    return by_default(m);
}

static void begin(ida_message *m)
{
    m->p = m->text;
    m->status = IDA_OK;
    m->passable = m->again = m->off_book = m->lists = 0;
    m->outer.seen = m->inner.seen = m->bar.seen = 0;
    m->payload = &m->outer;
    m->symbol = NULL;
    m->unit[0] = m->unit[1] = -1;
    m->count[0] = m->count[1] = 0;
    m->listed = NULL;
    m->part = IDA_ALL_ELSE;
    memset(m->uneven, 0, sizeof m->uneven);
    m->between = NULL;
}

/* What lay between two steps. */
static void count_uneven(const ida_message *m, int kind)
{
    const ida_uneven *u = m->uneven;
    ida_binance_symbol *s = &m->symbol->pub;
    int levels = kind == IDA_SNAPSHOT || kind == IDA_DEPTH || kind == IDA_PARTIAL;
    s->quantities_rounded += levels ? (int64_t)u[0].rounded + u[1].rounded : u[IDA_ALL_ELSE].rounded;
    s->levels_off_tick += levels ? (int64_t)u[0].off_tick + u[1].off_tick : 0;
}

/* What a good message taught becomes the symbol's. */
static ida_status keep(ida_message *m, ida_record *record)
{
    ida_symbol *s = m->symbol;
    if (m->decoder->learning) {
        s->pub.grid.price_decimals = s->decimals[IDA_PRICE] > 0 ? s->decimals[IDA_PRICE] : 0;
        s->pub.grid.quantity_decimals = s->decimals[IDA_QUANTITY] > 0 ? s->decimals[IDA_QUANTITY] : 0;
        s->pub.prices_seen = s->seen[IDA_PRICE];
        if (s->index == UINT32_MAX && insert(m->decoder, s, &s->index) != IDA_OK)
            return ida_message_fail(m, IDA_RANGE, m->text, "more symbols than the decoder has room for");
        m->decoder->symbols[s->index] = *s;
        record->crc = (uint32_t)(m->unit[0] > 0 ? m->unit[0] : 0) | (uint32_t)(m->unit[1] > 0 ? m->unit[1] : 0) << 8;
    }
    record->instrument = s->index;
    if (s->pub.rounds && !m->trial)
        count_uneven(m, record->kind);
    m->decoder->symbols[s->index].pub.records++;
    return IDA_OK;
}

ida_status ida_message_decode(ida_message *m, void *out, size_t capacity)
{
    size_t levels = (capacity - sizeof *m->depth) / sizeof(ida_level);
    begin(m);
    if (capacity < LARGEST)
        return ida_message_fail(m, IDA_FULL, m->text, "the record has no room");
    if (m->end - m->text > MOST_BYTES)
        return ida_message_fail(m, IDA_RANGE, m->text, "a message of more than 256 MiB");
    m->depth = out;
    m->capacity = levels > MOST_BYTES / sizeof(ida_level) ? MOST_BYTES / sizeof(ida_level) : (uint32_t)levels;
    memset(m->least, 0, sizeof m->least);
    memset(m->lowered, 0, sizeof m->lowered);
    do {
        begin(m);
        if (ida_message_walk(m) == IDA_OK)
            ida_message_event(m, out);
    } while (m->again);
    if (m->status == IDA_OFF_GRID && m->passable) { /* a record like any other, but for that price */
        ((ida_record *)out)->instrument = m->symbol->index;
        m->symbol->pub.events_off_tick += !m->trial;
    }
    return m->status == IDA_OK ? keep(m, out) : m->status;
}

ida_status ida_binance_decode(ida_binance *b, const char *text, size_t bytes, int64_t ts_local_ns,
                              int32_t default_symbol, int microseconds, void *out, size_t capacity,
                              ida_binance_problem *problem)
{
    ida_message m;
    m.decoder = b;
    m.text = text;
    m.end = m.limit = text + bytes;
    m.ts_local_ns = ts_local_ns;
    m.default_symbol = default_symbol;
    m.microseconds = microseconds;
    m.trial = 0;
    ida_status status = ida_message_decode(&m, out, capacity);
    if (status != IDA_OK)
        *problem = (ida_binance_problem){status, (uint32_t)(m.fault - text), m.rule, m.passable, 0};
    return status;
}
