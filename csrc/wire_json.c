#include "wire_json.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES = 8, FRAME_HEAD = 10, TEXT_FRAME = 0x81, MOST_PLACES = 18 };

/* How steps become text: value = steps x step / scale. */
typedef struct measure {
    uint64_t step;
    uint64_t scale;
    int32_t places;
} measure;

struct ida_wire {
    measure price, quantity;
    size_t symbol_bytes;
    char symbol[IDA_WIRE_SYMBOL];
};

/* ---- numbers ------------------------------------------------------------------------------------------------ */

static const char PAIRS[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354"
    "5556575859606162636465666768697071727374757677787980818283848586878889909192939495969798" "99";

static char *put_unsigned(char *p, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    while (value >= 100) {
        at -= 2;
        memcpy(digits + at, PAIRS + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(digits + at, PAIRS + 2 * value, 2);
    } else
        digits[--at] = (char)('0' + value);
    memcpy(p, digits + at, sizeof digits - at);
    return p + sizeof digits - at;
}

static char *put_integer(char *p, int64_t value)
{
    if (value < 0)
        *p++ = '-';
    return put_unsigned(p, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static char *put_eight(char *p, uint32_t value)
{
    uint32_t high = value / 10000, low = value % 10000;
    memcpy(p, PAIRS + 2 * (high / 100), 2);
    memcpy(p + 2, PAIRS + 2 * (high % 100), 2);
    memcpy(p + 4, PAIRS + 2 * (low / 100), 2);
    memcpy(p + 6, PAIRS + 2 * (low % 100), 2);
    return p + 8;
}

static char *put_fraction(char *p, uint64_t value, int32_t places)
{
    for (int32_t i = places - 1; i >= 0; i--) {
        p[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return p + places;
}

/* More than 64 bits: quantities of coins that are counted by the billion. */
static char *put_wide(char *p, uint64_t steps, const measure *m)
{
    unsigned __int128 value = (unsigned __int128)steps * m->step;
    unsigned __int128 whole = value / m->scale;
    const uint64_t half = 10000000000000000000u;
    if (whole >= half) {
        p = put_unsigned(p, (uint64_t)(whole / half));
        p = put_fraction(p, (uint64_t)(whole % half), 19);
    } else
        p = put_unsigned(p, (uint64_t)whole);
    *p++ = '.';
    return put_fraction(p, (uint64_t)(value % m->scale), m->places);
}

static char *put_decimal(char *p, int64_t steps, const measure *m)
{
    uint64_t value, size = steps < 0 ? 0 - (uint64_t)steps : (uint64_t)steps;
    if (steps < 0)
        *p++ = '-';
    if (__builtin_mul_overflow(size, m->step, &value))
        return put_wide(p, size, m);
    if (m->places != PLACES) {
        p = put_unsigned(p, value / m->scale);
        *p++ = '.';
        return put_fraction(p, value % m->scale, m->places);
    }
    p = put_unsigned(p, value / 100000000u);
    *p++ = '.';
    return put_eight(p, (uint32_t)(value % 100000000u));
}

/* ---- pieces ------------------------------------------------------------------------------------------------- */

#define PUT(p, text) (memcpy(p, text, sizeof text - 1), (p) + sizeof text - 1)

static char *put_text(char *p, const char *text, size_t bytes)
{
    memcpy(p, text, bytes);
    return p + bytes;
}

static char *put_quoted(char *p, int64_t steps, const measure *m)
{
    *p++ = '"';
    p = put_decimal(p, steps, m);
    *p++ = '"';
    return p;
}

static char *put_level(char *p, const ida_wire *w, int64_t price, int64_t quantity)
{
    *p++ = '[';
    p = put_quoted(p, price, &w->price);
    *p++ = ',';
    p = put_quoted(p, quantity, &w->quantity);
    *p++ = ']';
    return p;
}

static char *put_levels(char *p, const ida_wire *w, const ida_level *levels, uint32_t count)
{
    *p++ = '[';
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            *p++ = ',';
        p = put_level(p, w, levels[i].price, levels[i].quantity);
    }
    *p++ = ']';
    return p;
}

static char *put_side(char *p, const ida_wire *w, const ida_book *book, int side, size_t most)
{
    int64_t price = IDA_FROM_BEST;
    *p++ = '[';
    for (size_t i = 0; i < most && (price = ida_book_next(book, side, price)) >= 0; i++) {
        if (i)
            *p++ = ',';
        p = put_level(p, w, price, ida_book_quantity(book, side, price));
    }
    *p++ = ']';
    return p;
}

static char *put_opening(char *p, const ida_wire *w, const char *event, size_t bytes, int64_t time)
{
    p = PUT(p, "{\"e\":\"");
    p = put_text(p, event, bytes);
    p = PUT(p, "\",\"E\":");
    p = put_integer(p, time);
    p = PUT(p, ",\"s\":\"");
    p = put_text(p, w->symbol, w->symbol_bytes);
    return PUT(p, "\"");
}

/* ---- messages ----------------------------------------------------------------------------------------------- */

static char *put_depth(char *p, const ida_wire *w, const ida_depth *depth, const ida_envelope *around)
{
    p = put_opening(p, w, "depthUpdate", 11, around->event_time);
    p = PUT(p, ",\"U\":");
    p = put_integer(p, depth->first_id);
    p = PUT(p, ",\"u\":");
    p = put_integer(p, depth->last_id);
    p = PUT(p, ",\"b\":");
    p = put_levels(p, w, depth->levels, depth->bids);
    p = PUT(p, ",\"a\":");
    p = put_levels(p, w, depth->levels + depth->bids, depth->asks);
    return PUT(p, "}");
}

static char *put_trade(char *p, const ida_wire *w, const ida_trade *trade, const ida_envelope *around)
{
    int aggregate = trade->head.flags & IDA_FLAG_AGGREGATE;
    p = aggregate ? put_opening(p, w, "aggTrade", 8, around->event_time)
                  : put_opening(p, w, "trade", 5, around->event_time);
    p = aggregate ? PUT(p, ",\"a\":") : PUT(p, ",\"t\":");
    p = put_integer(p, trade->trade_id);
    p = PUT(p, ",\"p\":");
    p = put_quoted(p, trade->price, &w->price);
    p = PUT(p, ",\"q\":");
    p = put_quoted(p, trade->quantity, &w->quantity);
    if (aggregate) {
        p = PUT(p, ",\"f\":");
        p = put_integer(p, trade->first_trade_id);
        p = PUT(p, ",\"l\":");
        p = put_integer(p, trade->last_trade_id);
    }
    p = PUT(p, ",\"T\":");
    p = put_integer(p, around->trade_time);
    return trade->head.flags & IDA_FLAG_BUYER_IS_MAKER ? PUT(p, ",\"m\":true,\"M\":true}")
                                                       : PUT(p, ",\"m\":false,\"M\":true}");
}

/* An empty side of a book is told as a price of 0 by nobody: it is a quantity of 0. */
static char *put_quote(char *p, const ida_wire *w, const ida_quote *quote)
{
    p = PUT(p, "{\"u\":");
    p = put_integer(p, quote->update_id);
    p = PUT(p, ",\"s\":\"");
    p = put_text(p, w->symbol, w->symbol_bytes);
    p = PUT(p, "\",\"b\":");
    p = put_quoted(p, quote->bid_quantity ? quote->bid : 0, &w->price);
    p = PUT(p, ",\"B\":");
    p = put_quoted(p, quote->bid_quantity, &w->quantity);
    p = PUT(p, ",\"a\":");
    p = put_quoted(p, quote->ask_quantity ? quote->ask : 0, &w->price);
    p = PUT(p, ",\"A\":");
    p = put_quoted(p, quote->ask_quantity, &w->quantity);
    return PUT(p, "}");
}

static char *put_book(char *p, const ida_wire *w, const ida_book *book, int64_t last_id, size_t most)
{
    p = PUT(p, "{\"lastUpdateId\":");
    p = put_integer(p, last_id);
    p = PUT(p, ",\"bids\":");
    p = put_side(p, w, book, IDA_BUY, most);
    p = PUT(p, ",\"asks\":");
    p = put_side(p, w, book, IDA_SELL, most);
    return PUT(p, "}");
}

/* ---- around them -------------------------------------------------------------------------------------------- */

static char *begin(char *out, const ida_envelope *around)
{
    char *p = around->framed ? out + FRAME_HEAD : out;
    return around->head_bytes ? put_text(p, around->head, around->head_bytes) : p;
}

/* The head of a frame has as many bytes as the length needs: the text is moved up to it. */
static size_t frame(char *out, size_t bytes)
{
    size_t head = bytes < 126 ? 2 : bytes < 65536 ? 4 : FRAME_HEAD;
    memmove(out + head, out + FRAME_HEAD, bytes);
    out[0] = (char)TEXT_FRAME;
    out[1] = (char)(head == 2 ? bytes : head == 4 ? 126 : 127);
    for (size_t i = 2; i < head; i++)
        out[i] = (char)(bytes >> 8 * (head - 1 - i));
    return head + bytes;
}

static size_t finish(char *out, char *end, const ida_envelope *around)
{
    if (around->head_bytes)
        *end++ = '}';
    size_t bytes = (size_t)(end - out);
    return around->framed ? frame(out, bytes - FRAME_HEAD) : bytes;
}

size_t ida_wire_room(size_t levels, size_t head_bytes)
{
    return IDA_WIRE_REST + head_bytes + levels * IDA_WIRE_LEVEL;
}

size_t ida_wire_levels(const ida_book *book, size_t most)
{
    size_t bids = ida_book_levels(book, IDA_BUY), asks = ida_book_levels(book, IDA_SELL);
    size_t longer = bids > asks ? bids : asks;
    return longer < most ? longer : most;
}

static size_t levels_of(const ida_record *record)
{
    const ida_depth *depth = (const ida_depth *)record;
    return record->kind == IDA_DEPTH ? (size_t)depth->bids + depth->asks : 0;
}

size_t ida_wire_record(const ida_wire *w, const ida_record *record, const ida_envelope *around, char *out, size_t room)
{
    if (room < ida_wire_room(levels_of(record), around->head_bytes))
        return 0;
    char *p = begin(out, around);
    switch (record->kind) {
    case IDA_DEPTH:
        p = put_depth(p, w, (const ida_depth *)record, around);
        break;
    case IDA_TRADE:
        p = put_trade(p, w, (const ida_trade *)record, around);
        break;
    case IDA_QUOTE:
        p = put_quote(p, w, (const ida_quote *)record);
        break;
    default:
        return 0;
    }
    return finish(out, p, around);
}

size_t ida_wire_book(const ida_wire *w, const ida_book *book, int64_t last_id, size_t most, const ida_envelope *around,
                     char *out, size_t room)
{
    if (room < ida_wire_room(2 * ida_wire_levels(book, most), around->head_bytes))
        return 0;
    return finish(out, put_book(begin(out, around), w, book, last_id, most), around);
}

/* ---- making ------------------------------------------------------------------------------------------------- */

static int is_plain(const char *symbol, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)symbol[i] < 0x20 || symbol[i] == '"' || symbol[i] == '\\')
            return 0;
    return bytes > 0 && bytes <= IDA_WIRE_SYMBOL;
}

static int measure_set(measure *m, int64_t step, int32_t decimals)
{
    if (step < 1 || decimals < 0 || decimals > MOST_PLACES)
        return 0;
    m->step = (uint64_t)step;
    m->places = decimals;
    for (; m->places < PLACES; m->places++)
        if (__builtin_mul_overflow(m->step, 10u, &m->step))
            return 0;
    m->scale = 1;
    for (int32_t i = 0; i < m->places; i++)
        m->scale *= 10;
    return 1;
}

ida_wire *ida_wire_new(const char *symbol, size_t bytes, const ida_grid *grid)
{
    measure price, quantity;
    if (!is_plain(symbol, bytes) || !measure_set(&price, grid->tick, grid->price_decimals)
        || !measure_set(&quantity, grid->lot, grid->quantity_decimals))
        return NULL;
    ida_wire *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->price = price;
    w->quantity = quantity;
    w->symbol_bytes = bytes;
    memcpy(w->symbol, symbol, bytes);
    return w;
}

void ida_wire_free(ida_wire *w)
{
    free(w);
}
