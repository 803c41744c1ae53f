#include "binance_message.h"

/* Static texts, so that a rule can name its key. */
#define WANTED(name) "the key \"" name "\" is missing, or its value is of the wrong type"
#define NAMED(letter, name) [IDA_SLOT(letter)] = WANTED(name)
static const char *const wanted[64] = {
    NAMED('A', "A"), NAMED('B', "B"), NAMED('C', "C"), NAMED('E', "E"), NAMED('O', "O"), NAMED('P', "P"),
    NAMED('Q', "Q"), NAMED('T', "T"), NAMED('U', "U"), NAMED('V', "V"), NAMED('X', "X"), NAMED('a', "a"),
    NAMED('b', "b"), NAMED('c', "c"), NAMED('e', "e"), NAMED('f', "f"), NAMED('h', "h"), NAMED('i', "i"),
    NAMED('k', "k"), NAMED('l', "l"), NAMED('m', "m"), NAMED('n', "n"), NAMED('o', "o"), NAMED('p', "p"),
    NAMED('q', "q"), NAMED('r', "r"), NAMED('s', "s"), NAMED('t', "t"), NAMED('u', "u"), NAMED('v', "v"),
    NAMED('w', "w"), NAMED('x', "x"),
    [IDA_KEY_PU] = WANTED("pu"),
    [IDA_KEY_LAST_ID] = WANTED("lastUpdateId"),
    [IDA_KEY_BIDS] = WANTED("bids"),
    [IDA_KEY_ASKS] = WANTED("asks"),
};
#undef NAMED
#undef WANTED

/* The value of a key that must be there, or NULL and a failure. */
static const ida_span *need(ida_message *m, const ida_fields *f, int slot, char type)
{
    const ida_span *span = &f->at[slot];
    if (ida_fields_has(f, slot) && span->type == type)
        return span;
    ida_message_fail(m, IDA_BAD, ida_fields_has(f, slot) ? span->at : m->end, wanted[slot]);
    return NULL;
}

static int64_t price(ida_message *m, const ida_fields *f, int slot)
{
    const ida_span *span = need(m, f, slot, '"');
    return span ? ida_message_number(m, IDA_PRICE, span) : 0;
}

static int64_t quantity(ida_message *m, const ida_fields *f, int slot)
{
    const ida_span *span = need(m, f, slot, '"');
    return span ? ida_message_number(m, IDA_QUANTITY, span) : 0;
}

/* Nine to sixteen digits in two reads, which stay within the digits. */
static int64_t middling(const char *p, uint32_t length)
{
    uint64_t high = ida_value8(ida_as_digits(ida_load8(p)) << (8 * (16 - length)));
    return (int64_t)(high * 100000000u + ida_value8(ida_as_digits(ida_load8(p + length - 8))));
}

static int whole(const ida_span *span, int64_t *value)
{
    uint64_t v = 0;
    uint32_t i = span->at[0] == '-', negative = i;
    if (span->length > 19 + negative || span->length == negative)
        return 0;
    for (; i < span->length; i++) {
        unsigned digit = (unsigned)(span->at[i] - '0');
        if (digit > 9)
            return 0;
        v = v * 10 + digit;
    }
    *value = negative ? -(int64_t)v : (int64_t)v;
    return v <= INT64_MAX;
}

static int is_digits(const char *p, uint32_t length)
{
    return !(ida_not_digits(ida_as_digits(ida_load8(p))) | ida_not_digits(ida_as_digits(ida_load8(p + length - 8))));
}

static int64_t integer(ida_message *m, const ida_fields *f, int slot)
{
    const ida_span *span = need(m, f, slot, '0');
    int64_t value = 0;
    if (!span)
        return 0;
    if (span->length > 8 && span->length <= 16 && is_digits(span->at, span->length))
        return middling(span->at, span->length);
    if (!whole(span, &value))
        ida_message_fail(m, span->length > 18 ? IDA_RANGE : IDA_BAD, span->at, "not a whole number that 64 bits hold");
    return value;
}

/* An update or trade id: not negative. */
static int64_t id(ida_message *m, const ida_fields *f, int slot)
{
    int64_t value = integer(m, f, slot);
    if (value < 0)
        ida_message_fail(m, IDA_BAD, f->at[slot].at, "an id is negative");
    return value;
}

static int64_t time_ns(ida_message *m, const ida_fields *f, int slot)
{
    int64_t value = integer(m, f, slot), ns = 0;
    int micro = m->microseconds < 0 ? value >= 100000000000000 : m->microseconds;
    if (value < 0 || __builtin_mul_overflow(value, micro ? 1000 : 1000000, &ns))
        ida_message_fail(m, IDA_RANGE, f->at[slot].at, "a time is out of range");
    return ns;
}

static int boolean(ida_message *m, const ida_fields *f, int slot)
{
    uint8_t type = ida_fields_has(f, slot) ? f->at[slot].type : 0;
    if (type == 't' || type == 'f')
        return type == 't';
    need(m, f, slot, 't');
    return 0;
}

/* A number that lies on no grid, in units of 10^-8; what is beyond is cut off, what is too large becomes the
 * largest. An empty text is 0: a rate that does not apply. */
static int64_t e8(ida_message *m, const ida_fields *f, int slot)
{
    const ida_span *span = need(m, f, slot, '"');
    char scratch[64];
    const char *text;
    size_t length;
    int64_t value = 0;
    if (!span || !span->length)
        return 0;
    int32_t places = -1;
    if (ida_message_text(span, scratch, sizeof scratch, &text, &length) == IDA_OK)
        places = ida_decimal_places(text, length);
    if (places < 0)
        return ida_message_fail(m, IDA_BAD, span->at, "not a decimal"), 0;
    length -= places > 8 ? (size_t)(places - 8) : 0;
    if (ida_decimal_parse(text, length, 8, &value) == IDA_RANGE)
        return *text == '-' ? INT64_MIN : INT64_MAX;
    return value;
}

static int64_t e8_or_none(ida_message *m, const ida_fields *f, int slot)
{
    return ida_fields_has(f, slot) ? e8(m, f, slot) : 0;
}

static int is_text(const ida_span *span, const char *text)
{
    char scratch[32];
    const char *own;
    size_t length;
    return span->type == '"' && ida_message_text(span, scratch, sizeof scratch, &own, &length) == IDA_OK &&
           length == strlen(text) && !memcmp(own, text, length);
}

/* Fills the head. slot: the key of the time it happened, or 0; E is the next best. */
static void *head(ida_message *m, void *out, size_t length, int kind, int slot)
{
    const ida_fields *f = m->payload;
    ida_record *record = memset(out, 0, length);
    record->length = (uint32_t)length;
    record->kind = (uint16_t)kind;
    record->ts_local_ns = record->ts_venue_ns = m->ts_local_ns;
    if (!slot || !ida_fields_has(f, slot))
        slot = IDA_SLOT('E');
    if (ida_fields_has(f, slot))
        record->ts_venue_ns = time_ns(m, f, slot);
    else
        record->flags = IDA_FLAG_NO_VENUE_TIME;
    return out;
}

static void sum_up(ida_message *m, const ida_fields *f, int bid_slot, int ask_slot)
{
    const ida_span *bids = need(m, f, bid_slot, '['), *asks = need(m, f, ask_slot, '[');
    if (m->status != IDA_OK || (m->lists == 2 && m->listed == f))
        return;
    const ida_span *lists[] = {bids, asks};
    const char *end = m->p;
    for (int side = 0; side < 2 && m->status == IDA_OK; side++) {
        m->p = lists[side]->at;
        ida_message_levels(m, side);
    }
    m->p = end;
}

/* The levels stand behind `out` already, or are put there; then the struct is filled in. */
static void depth(ida_message *m, void *out, int kind, int names_sides)
{
    const ida_fields *f = m->payload;
    sum_up(m, f, names_sides ? IDA_KEY_BIDS : IDA_SLOT('b'), names_sides ? IDA_KEY_ASKS : IDA_SLOT('a'));
    ida_depth *d = head(m, out, sizeof *d, kind, IDA_SLOT('T'));
    d->last_id = id(m, f, names_sides ? IDA_KEY_LAST_ID : IDA_SLOT('u'));
    d->first_id = names_sides ? d->last_id : id(m, f, IDA_SLOT('U'));
    d->previous_id = ida_fields_has(f, IDA_KEY_PU) ? integer(m, f, IDA_KEY_PU) : -1;
    if (d->first_id > d->last_id)
        ida_message_fail(m, IDA_BAD, f->at[IDA_SLOT('U')].at, "the first update id is above the last");
    d->bids = m->count[0];
    d->asks = m->count[1];
    d->head.length += (d->bids + d->asks) * (uint32_t)sizeof(ida_level);
    if (kind == IDA_SNAPSHOT && (m->uneven[0].off_tick || m->uneven[1].off_tick))
        d->head.flags |= IDA_FLAG_CUT; /* its numbers of levels no longer tell */
}

/* What the stream's name says of depth: 0 diffs, 1 the top of the book only, 2 with orders that no book shows, 3 a
 * REST answer that was recorded. */
static int depth_stream(const ida_message *m)
{
    const ida_span *span = &m->outer.at[IDA_KEY_STREAM];
    char scratch[128];
    const char *text;
    size_t length;
    if (!ida_fields_has(&m->outer, IDA_KEY_STREAM) || span->type != '"' ||
        ida_message_text(span, scratch, sizeof scratch, &text, &length) != IDA_OK)
        return 0;
    const char *at = memchr(text, '@', length);
    size_t rest = at ? length - (size_t)(at - text) : 0;
    if (rest > 9 && !memcmp(at, "@rpiDepth", 9))
        return 2;
    if (rest == 15 && !memcmp(at, "@depth@snapshot", 15))
        return 3;
    return rest > 6 && !memcmp(at, "@depth", 6) && at[6] >= '0' && at[6] <= '9';
}

static void depth_update(ida_message *m, void *out)
{
    int form = depth_stream(m);
    if (form == 2)
        ida_message_fail(m, IDA_EMPTY, m->text, "depth with orders that no book shows (rpiDepth)");
    else
        depth(m, out, form == 1 ? IDA_PARTIAL : IDA_DEPTH, 0);
}

static void book_answer(ida_message *m, void *out)
{
    int whole = !ida_fields_has(&m->outer, IDA_KEY_STREAM) || depth_stream(m) == 3;
    depth(m, out, whole ? IDA_SNAPSHOT : IDA_PARTIAL, 1);
}

static void any_trade(ida_message *m, void *out, int id_slot, int flags)
{
    const ida_fields *f = m->payload;
    const ida_span *kind = ida_fields_has(f, IDA_SLOT('X')) ? need(m, f, IDA_SLOT('X'), '"') : NULL;
    ida_trade *t = head(m, out, sizeof *t, IDA_TRADE, IDA_SLOT('T'));
    m->off_book = kind && !is_text(kind, "MARKET");
    t->head.flags |= (uint16_t)flags;
    t->head.flags |= m->off_book ? IDA_FLAG_OFF_BOOK : 0;
    t->head.flags |= boolean(m, f, IDA_SLOT('m')) ? IDA_FLAG_BUYER_IS_MAKER : 0;
    t->trade_id = t->first_trade_id = t->last_trade_id = id(m, f, id_slot);
    t->price = price(m, f, IDA_SLOT('p'));
    t->quantity = quantity(m, f, IDA_SLOT('q'));
    if (m->status == IDA_OK && !t->price && !m->off_book) {
        ida_message_fail(m, IDA_BAD, f->at[IDA_SLOT('p')].at, "a trade at price 0");
        m->passable = 1;
    }
}

static void trade(ida_message *m, void *out)
{
    any_trade(m, out, IDA_SLOT('t'), 0);
}

static void aggregate(ida_message *m, void *out)
{
    ida_trade *t = out;
    any_trade(m, out, IDA_SLOT('a'), IDA_FLAG_AGGREGATE);
    t->first_trade_id = id(m, m->payload, IDA_SLOT('f'));
    t->last_trade_id = id(m, m->payload, IDA_SLOT('l'));
}

static void quote(ida_message *m, void *out)
{
    const ida_fields *f = m->payload;
    ida_quote *q = head(m, out, sizeof *q, IDA_QUOTE, IDA_SLOT('T'));
    q->update_id = id(m, f, IDA_SLOT('u'));
    q->bid = price(m, f, IDA_SLOT('b'));
    q->bid_quantity = quantity(m, f, IDA_SLOT('B'));
    q->ask = price(m, f, IDA_SLOT('a'));
    q->ask_quantity = quantity(m, f, IDA_SLOT('A'));
}

static void mark(ida_message *m, void *out)
{
    const ida_fields *f = m->payload;
    ida_mark *k = head(m, out, sizeof *k, IDA_MARK, 0);
    k->mark_e8 = e8(m, f, IDA_SLOT('p'));
    k->index_e8 = e8_or_none(m, f, IDA_SLOT('i'));
    k->settle_e8 = e8_or_none(m, f, IDA_SLOT('P'));
    k->funding_rate_e8 = e8_or_none(m, f, IDA_SLOT('r'));
    k->next_funding_ns = ida_fields_has(f, IDA_SLOT('T')) ? time_ns(m, f, IDA_SLOT('T')) : 0;
}

/* "1m", "1M" and so on, in seconds. */
static int64_t interval(ida_message *m, const ida_fields *f)
{
    static const struct { char unit; int32_t seconds; } units[] = {
        {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}, {'M', 2592000},
    };
    const ida_span *span = need(m, f, IDA_SLOT('i'), '"');
    int64_t count = 0;
    if (!span)
        return 0;
    ida_span number = {span->at, span->length ? span->length - 1 : 0, '0', 0};
    if (number.length && number.length < 4 && whole(&number, &count) && count > 0)
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (span->at[number.length] == units[i].unit)
                return count * units[i].seconds;
    ida_message_fail(m, IDA_BAD, span->at, "an interval is a number and one of s m h d w M");
    return 0;
}

static void bar(ida_message *m, void *out)
{
    const ida_fields *f = &m->bar;
    ida_bar *b = head(m, out, sizeof *b, IDA_BAR, 0);
    if (!need(m, m->payload, IDA_SLOT('k'), '{'))
        return;
    b->head.flags |= boolean(m, f, IDA_SLOT('x')) ? IDA_FLAG_CLOSED : 0;
    b->open_ns = time_ns(m, f, IDA_SLOT('t'));
    b->close_ns = time_ns(m, f, IDA_SLOT('T'));
    b->open = price(m, f, IDA_SLOT('o'));
    b->high = price(m, f, IDA_SLOT('h'));
    b->low = price(m, f, IDA_SLOT('l'));
    b->close = price(m, f, IDA_SLOT('c'));
    b->volume = quantity(m, f, IDA_SLOT('v'));
    b->taker_buy = quantity(m, f, IDA_SLOT('V'));
    b->quote_volume_e8 = e8(m, f, IDA_SLOT('q'));
    b->trades = integer(m, f, IDA_SLOT('n'));
    b->interval_s = interval(m, f);
}

/* miniTicker has neither its window nor the number of trades: the window is the 24 hours before the event. */
static void any_ticker(ida_message *m, void *out, int whole_day_before)
{
    const ida_fields *f = m->payload;
    ida_ticker *t = head(m, out, sizeof *t, IDA_TICKER, 0);
    t->close_ns = whole_day_before ? t->head.ts_venue_ns : time_ns(m, f, IDA_SLOT('C'));
    t->open_ns = whole_day_before ? t->close_ns - 86400000000000 : time_ns(m, f, IDA_SLOT('O'));
    t->open = price(m, f, IDA_SLOT('o'));
    t->high = price(m, f, IDA_SLOT('h'));
    t->low = price(m, f, IDA_SLOT('l'));
    t->last = price(m, f, IDA_SLOT('c'));
    t->volume = quantity(m, f, IDA_SLOT('v'));
    t->quote_volume_e8 = e8(m, f, IDA_SLOT('q'));
    t->trades = whole_day_before ? -1 : integer(m, f, IDA_SLOT('n'));
}

static void ticker(ida_message *m, void *out)
{
    any_ticker(m, out, 0);
}

static void mini_ticker(ida_message *m, void *out)
{
    any_ticker(m, out, 1);
}

static void average(ida_message *m, void *out)
{
    const ida_fields *f = m->payload;
    ida_average *a = head(m, out, sizeof *a, IDA_AVERAGE, 0);
    a->average_e8 = e8(m, f, IDA_SLOT('w'));
    a->window_s = interval(m, f);
    a->last_trade_ns = time_ns(m, f, IDA_SLOT('T'));
}

typedef void (*builder)(ida_message *m, void *out);

static builder builder_of(const char *event, size_t length)
{
    static const struct { const char *name; size_t length; builder build; } events[] = {
        {"bookTicker", 10, quote},   {"trade", 5, trade},           {"depthUpdate", 11, depth_update},
        {"aggTrade", 8, aggregate},  {"markPriceUpdate", 15, mark}, {"kline", 5, bar},
        {"24hrTicker", 10, ticker},  {"24hrMiniTicker", 14, mini_ticker},
        {"1hTicker", 8, ticker},     {"4hTicker", 8, ticker},       {"1dTicker", 8, ticker},
        {"avgPrice", 8, average},
    };
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (events[i].length == length && !memcmp(events[i].name, event, length))
            return events[i].build;
    return NULL;
}

/* Messages that name no event. */
static builder nameless(ida_message *m)
{
    static const uint64_t quote_keys = 1ull << IDA_SLOT('u') | 1ull << IDA_SLOT('b') | 1ull << IDA_SLOT('B') |
                                       1ull << IDA_SLOT('a') | 1ull << IDA_SLOT('A');
    const ida_fields *f = m->payload;
    if (ida_fields_has(f, IDA_KEY_LAST_ID))
        return book_answer;
    if ((f->seen & quote_keys) == quote_keys)
        return quote;
    const char *rule = *m->text == '[' || (ida_fields_has(&m->outer, IDA_KEY_DATA) && m->payload == &m->outer)
                           ? "events of many symbols in one message"
                       : ida_fields_has(f, IDA_KEY_ERROR) || ida_fields_has(f, IDA_KEY_CODE) ? "error reply"
                       : ida_fields_has(f, IDA_KEY_RESULT)                                    ? "control reply"
                       : ida_fields_has(f, IDA_KEY_EVENT)                                     ? "account event"
                                                                                              : "message of no known form";
    ida_message_fail(m, IDA_EMPTY, m->text, rule);
    return NULL;
}

static builder choose(ida_message *m)
{
    const ida_span *event = &m->payload->at[IDA_SLOT('e')];
    char scratch[32];
    const char *text;
    size_t length;
    if (!ida_fields_has(m->payload, IDA_SLOT('e')))
        return nameless(m);
    if (event->type != '"')
        return ida_message_fail(m, IDA_BAD, event->at, wanted[IDA_SLOT('e')]), NULL;
    builder build = NULL;
    if (ida_message_text(event, scratch, sizeof scratch, &text, &length) == IDA_OK)
        build = builder_of(text, length);
    if (!build)
        ida_message_fail(m, IDA_EMPTY, event->at, is_text(event, "serverShutdown") ? "server shutdown" : "unknown event");
    return build;
}

static int names_symbol(const ida_message *m)
{
    return ida_fields_has(m->payload, IDA_SLOT('s')) || ida_fields_has(m->payload, IDA_KEY_SYMBOL) ||
           ida_fields_has(&m->outer, IDA_KEY_STREAM);
}

void ida_message_event(ida_message *m, void *out)
{
    builder build = choose(m);
    if (!build)
        return;
    if (ida_message_find_symbol(m, m->payload, 1))
        build(m, out);
    else
        ida_message_fail(m, IDA_UNKNOWN, m->text, names_symbol(m) ? "a symbol that was not asked for"
                                                                  : "no symbol is named, and there is no default");
    if (m->status == IDA_OK && m->between) {
        ida_message_fail(m, IDA_OFF_GRID, m->between, "a price lies between two ticks");
        m->passable = 1;
    }
    if (m->status == IDA_OK)
        ida_message_market(m, ((ida_record *)out)->kind);
}
