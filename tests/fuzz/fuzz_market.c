/* needs: market flow maths book sync pool decimal book_text */
/* A script of market records in any order, with any numbers, applied as the decoder's are: our view of the market stays
 * one that can be - a book in step is not crossed, its top is its best level, no level is empty or negative - and is
 * the same each time, whatever was asked of what it has been doing lately meanwhile. Ids follow each other unless the script says otherwise, so that books are in step at all. */
#include "book_text.h"
#include "flow.h"
#include "fuzz.h"
#include "market.h"

enum { MAX_PRICE = 2047, PAGES = 3, LEVELS = 32, BUFFER = 2048, MOST = 64 };

typedef struct walk_state {
    ida_market *market;
    ida_flow *flow; /* NULL: nobody has asked */
    int is_asking;
    int64_t last_id, local;
    int64_t records[IDA_MARKET_KINDS];
    uint64_t hash;
} walk_state;

static int64_t level_price(script *s, int side)
{
    int64_t number = script_number(s);
    if (number < 0 || number > 250)
        return number;
    return side == IDA_BUY ? 1000 - number * 4 : 1001 + number * 4;
}

static void fill_depth(ida_depth *depth, script *s)
{
    uint8_t counts = script_byte(s);
    depth->bids = counts % 8;
    depth->asks = counts / 8 % 8;
    for (uint32_t i = 0; i < depth->bids + depth->asks; i++) {
        depth->levels[i].price = level_price(s, i < depth->bids ? IDA_BUY : IDA_SELL);
        depth->levels[i].quantity = script_number(s);
    }
    depth->head.length = (uint32_t)(sizeof *depth + (depth->bids + depth->asks) * sizeof(ida_level));
}

/* How the ids go on: mostly in step; else repeated, with a gap, or any. */
static void fill_ids(walk_state *w, ida_depth *depth, script *s)
{
    uint8_t way = script_byte(s);
    depth->previous_id = w->last_id;
    depth->first_id = w->last_id + 1;
    depth->last_id = w->last_id + 1 + way % 4;
    if (way >= 240) {
        depth->first_id = script_number(s);
        depth->last_id = script_number(s);
        depth->previous_id = script_number(s);
    } else if (way >= 220) {
        depth->first_id += way - 219;
        depth->previous_id += way - 219;
        depth->last_id += way - 219;
    } else if (way >= 200)
        depth->last_id = depth->previous_id - (way - 200);
    if (depth->head.kind == IDA_SNAPSHOT)
        depth->first_id = depth->last_id;
    if (depth->last_id >= 0 && depth->last_id < INT64_MAX / 2)
        w->last_id = depth->last_id;
}

static void fill_numbers(ida_record *record, script *s, size_t size)
{
    int64_t *at = (int64_t *)(record + 1), *end = (int64_t *)((char *)record + size);
    while (at < end)
        *at++ = script_number(s);
    record->length = (uint32_t)size;
}

static void hold_side(ida_book *book, int side)
{
    ida_level levels[LEVELS];
    size_t count = 0, top = ida_book_top_n(book, side, levels, LEVELS);
    int64_t before = -1;
    for (int64_t price = ida_book_next(book, side, IDA_FROM_BEST); price >= 0; price = ida_book_next(book, side, price)) {
        int64_t quantity = ida_book_quantity(book, side, price);
        HOLDS(quantity > 0 && price <= MAX_PRICE);
        HOLDS(before < 0 || (side == IDA_BUY ? price < before : price > before));
        HOLDS(count >= top || (levels[count].price == price && levels[count].quantity == quantity));
        before = price;
        count++;
    }
    HOLDS(count == ida_book_levels(book, side) && top == (count < LEVELS ? count : LEVELS));
    const ida_top *best = ida_book_top(book);
    HOLDS((side == IDA_BUY ? best->bid : best->ask) == (count ? levels[0].price : side == IDA_BUY ? -1 : INT64_MAX));
    HOLDS((side == IDA_BUY ? best->bid_quantity : best->ask_quantity) == (count ? levels[0].quantity : 0));
}

static void hold_text(walk_state *w, ida_book *book)
{
    static char text[IDA_BOOK_LINE * 4096];
    ida_grid grid = {2, 3, 5, 1};
    size_t length = 0, lines = 0;
    ida_status status = ida_book_text(book, &grid, text, sizeof text, &length);
    HOLDS(status == IDA_OK || status == IDA_RANGE);
    for (size_t i = 0; status == IDA_OK && i < length; i++)
        lines += text[i] == '\n';
    HOLDS(status != IDA_OK || lines == ida_book_levels(book, IDA_BUY) + ida_book_levels(book, IDA_SELL));
    w->hash = fuzz_hash(w->hash, text, length);
}

static double measure(walk_state *w, int what, int64_t window_ns, int64_t step_ns)
{
    double found = ida_flow_measure(w->flow, what, window_ns, step_ns);
    HOLDS(found != found || (found > -1e40 && found < 1e40));
    HOLDS(found != found || what > IDA_TURNOVER || found >= 0);
    return found == found ? found : -1;
}

static void ask_all(walk_state *w, int64_t window_ns, int64_t step_ns)
{
    double found[IDA_REALIZED_SPREAD + 2];
    for (int what = 0; what <= IDA_REALIZED_SPREAD; what++)
        found[what] = measure(w, what, window_ns, step_ns);
    double pair = ida_flow_correlation(w->flow, w->flow, window_ns, step_ns);
    HOLDS(pair != pair || (pair > 0.999 && pair < 1.001));
    found[IDA_REALIZED_SPREAD + 1] = pair == pair;
    if (!w->is_asking)
        w->hash = fuzz_hash(w->hash, found, sizeof found);
}

static void hold_known(ida_book *book, int side, const ida_market_view *view)
{
    int64_t of = ida_book_quantity_of(book, side, 3), within = ida_book_quantity_within(book, side, 50);
    HOLDS(of >= -1 && within >= -1);
    HOLDS(view->synced || (of < 0 && within < 0));
    HOLDS(of < 0 || ida_book_reaches(book, side, side == IDA_BUY ? INT64_MAX : 0));
}

static void hold(walk_state *w, int changes)
{
    const ida_market_view *view = ida_market_look(w->market);
    const ida_sync_view *sync = ida_market_sync(w->market);
    ida_book *book = ida_market_book(w->market);
    HOLDS(view->synced == (sync->state == IDA_SYNCED));
    HOLDS(!view->synced || ida_book_top(book)->bid < ida_book_top(book)->ask);
    HOLDS(changes >= 0 && changes < 2 * IDA_CHANGED_DISPROVED);
    HOLDS(!(changes & (IDA_CHANGED_FAULT | IDA_CHANGED_CROSSED | IDA_CHANGED_DISPROVED)) || !view->synced);
    HOLDS(sync->buffered >= 0 && sync->snapshots >= (sync->applied > 0));
    HOLDS(view->quotes_mismatched <= view->quotes_compared && view->quotes_compared <= sync->applied);
    HOLDS(!memcmp(view->count + 1, w->records + 1, (IDA_MARKET_KINDS - 1) * sizeof(int64_t)));
    hold_side(book, IDA_BUY);
    hold_side(book, IDA_SELL);
    hold_known(book, IDA_BUY, view);
    hold_known(book, IDA_SELL, view);
    HOLDS(view->synced || !ida_market_is_known(w->market));
    HOLDS(view->trade_holes <= view->count[IDA_TRADE] && view->trades_missing >= view->trade_holes);
    int64_t told[] = {changes, view->synced, view->last_price, sync->last_id, sync->applied, sync->gaps, view->quotes_compared};
    w->hash = fuzz_hash(w->hash, told, sizeof told);
}

static void step(walk_state *w, script *s)
{
    static const size_t sizes[] = {
        [IDA_TRADE] = sizeof(ida_trade), [IDA_QUOTE] = sizeof(ida_quote), [IDA_BAR] = sizeof(ida_bar),
        [IDA_MARK] = sizeof(ida_mark), [IDA_TICKER] = sizeof(ida_ticker),
        [IDA_AVERAGE] = sizeof(ida_average),
    };
    _Alignas(8) char room[sizeof(ida_depth) + 16 * sizeof(ida_level)] = {0};
    ida_record *record = (ida_record *)room;
    uint8_t op = script_byte(s);
    if (op == 0xff) {
        ida_market_reset(w->market);
        hold(w, 0);
        return;
    }
    record->kind = op < 128 ? IDA_DEPTH : op % IDA_MARKET_KINDS;
    record->flags = op == 200 ? IDA_FLAG_OFF_BOOK : 0;
    w->local += w->flow ? 1 + (int64_t)(op % 16) * (op % 16) * IDA_FLOW_STEP_NS / 9 : 1;
    record->ts_local_ns = record->ts_venue_ns = op == 127 && w->flow ? script_number(s) : w->local;
    if (record->kind == IDA_SNAPSHOT || record->kind == IDA_DEPTH || record->kind == IDA_PARTIAL) {
        fill_ids(w, (ida_depth *)record, s);
        fill_depth((ida_depth *)record, s);
    } else if (record->kind)
        fill_numbers(record, s, sizes[record->kind]);
    record = (ida_record *)fuzz_copy((uint8_t *)room, record->kind ? record->length : sizeof *record);
    w->records[record->kind] += record->kind > 0;
    hold(w, ida_market_apply(w->market, record));
    free(record);
}

/* is_asking: at each step, which may change nothing of the last answers. */
static uint64_t walk(script s, int is_asking)
{
    uint8_t kind = script_byte(&s);
    walk_state w = {.market = ida_market_new(kind & 1, PAGES, MAX_PRICE, BUFFER), .last_id = 100};
    HOLDS(w.market);
    if (kind & 2) {
        w.flow = ida_flow_of(w.market);
        HOLDS(w.flow && ida_flow_of(w.market) == w.flow);
    }
    for (int i = 0; i < MOST && s.at < s.end; i++) {
        step(&w, &s);
        w.is_asking = 1;
        if (w.flow && is_asking)
            ask_all(&w, (1 + i * i % 6001) * (int64_t)IDA_FLOW_STEP_NS, (1 + i % 11) * (int64_t)IDA_FLOW_STEP_NS);
    }
    w.is_asking = 0;
    if (w.flow) {
        ask_all(&w, 10000000000, IDA_FLOW_STEP_NS);
        ask_all(&w, 60000000000, 10 * (int64_t)IDA_FLOW_STEP_NS);
        ask_all(&w, 600000000000, 10 * (int64_t)IDA_FLOW_STEP_NS);
        ask_all(&w, INT64_MAX, INT64_MIN);
    }
    ida_market_finish(w.market);
    hold(&w, 0);
    hold_text(&w, ida_market_book(w.market));
    ida_market_free(w.market);
    return w.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script s = {data, data + size};
    uint64_t first = walk(s, 1);
    HOLDS(first == walk(s, 0));
    return 0;
}
