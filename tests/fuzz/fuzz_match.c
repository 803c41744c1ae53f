/* needs: match fill gate orders stops taker ahead recorded book pool map maths */
/* A script of requests and recorded market data against the matching engine, alone and beside a recorded book: no
 * quantity is ever negative, an order's fills add up to what it says is filled, a trade has two equal halves, what is
 * displayed is the sum of what rests but for the hidden lots of icebergs, of a pair only one is filled, one recorded trade never fills more than its quantity, and the same script
 * gives the same reports. */
#include "fuzz.h"
#include "match.h"

enum { MAX_PRICE = 511, ORDERS = 8, REPORTS = 256, IDS = 32, MOST = 96, ACCOUNTS = 4 };

typedef struct known_order {
    int64_t cumulative, leaves, quantity, price;
    uint64_t pair;
    uint8_t is_open, rests, side, by_notional, iceberg;
} known_order;

typedef struct walk_state {
    ida_match *match;
    ida_book *outside; /* NULL: a whole market */
    known_order orders[IDS];
    ida_report half;   /* the maker's half of a trade whose taker's half comes next */
    uint64_t trade_id, hash;
    int64_t now;
} walk_state;

static int has_ended(const ida_report *r)
{
    return r->status != IDA_S_NEW && r->status != IDA_S_PARTIALLY_FILLED;
}

/* Maker and taker of a trade between orders placed here tell the same, one after the other. */
static void hold_halves(walk_state *w, const ida_report *r)
{
    HOLDS(r->trade_id && r->quantity > 0 && r->price >= 0);
    if (w->half.trade_id) {
        HOLDS(r->trade_id == w->half.trade_id && r->quantity == w->half.quantity && r->price == w->half.price);
        HOLDS(r->counter_order == w->half.order_id && r->order_id == w->half.counter_order);
        HOLDS(r->side != w->half.side && !r->maker && w->half.maker);
        w->half.trade_id = 0;
        return;
    }
    HOLDS(r->trade_id > w->trade_id);
    w->trade_id = r->trade_id;
    HOLDS(r->counter_order || w->outside);
    if (r->counter_order)
        w->half = *r;
}

static void follow(walk_state *w, const ida_report *r)
{
    HOLDS(r->order_id > 0 && r->order_id < IDS && r->account > 0 && r->account <= ACCOUNTS);
    known_order *o = &w->orders[r->order_id];
    if (r->execution == IDA_X_NEW || r->execution == IDA_X_REJECTED) {
        HOLDS(!o->is_open);
        *o = (known_order){.is_open = 1, .side = r->side, .by_notional = o->by_notional, .rests = o->rests,
                           .iceberg = o->iceberg, .pair = o->pair};
    }
    if (r->execution == IDA_X_TRADE || r->execution == IDA_X_TRIGGERED)
        HOLDS(!o->pair || !w->orders[o->pair].is_open || w->orders[o->pair].pair != r->order_id);
    HOLDS(o->is_open && o->side == r->side && r->ts_venue_ns == w->now);
    HOLDS(r->leaves >= 0 && r->cumulative >= 0 && r->order_quantity >= 0 && r->quantity >= 0 && r->ahead >= -1);
    HOLDS(r->cumulative == o->cumulative + (r->execution == IDA_X_TRADE ? r->quantity : 0));
    HOLDS(r->leaves <= r->order_quantity - r->cumulative);
    if (r->execution == IDA_X_TRADE)
        hold_halves(w, r);
    else
        HOLDS(!w->half.trade_id && !r->trade_id);
    if (r->execution == IDA_X_TRIGGERED)
        o->rests = 1;
    o->cumulative = r->cumulative;
    o->leaves = r->leaves;
    o->quantity = r->order_quantity;
    o->price = r->price;
    HOLDS(!has_ended(r) || r->leaves == 0);
    HOLDS(r->status != IDA_S_FILLED || o->by_notional || r->cumulative > 0);
    if (has_ended(r))
        o->is_open = o->rests = 0;
}

/* Lots that makers got from the recording. */
static int64_t follow_all(walk_state *w)
{
    size_t count;
    int64_t given = 0;
    const ida_report *reports = ida_match_reports(w->match, &count);
    for (size_t i = 0; i < count; i++) {
        follow(w, &reports[i]);
        w->hash = fuzz_hash(w->hash, &reports[i], offsetof(ida_report, maker) + 1);
        if (reports[i].execution == IDA_X_TRADE && reports[i].maker && !reports[i].counter_order)
            given += reports[i].quantity;
    }
    HOLDS(!w->half.trade_id);
    ida_match_clear_reports(w->match);
    return given;
}

/* What the engine says stands is what its reports added up to; open ones rest, but for stops that wait. */
static void hold_book(const walk_state *w)
{
    const ida_book *own = ida_match_own(w->match);
    int64_t displayed[2] = {0, 0}, resting[2] = {0, 0}, least[2] = {0, 0};
    for (int side = 0; side < 2; side++)
        for (int64_t p = ida_book_next(own, side, IDA_FROM_BEST); p >= 0; p = ida_book_next(own, side, p)) {
            HOLDS(ida_book_quantity(own, side, p) > 0);
            displayed[side] += ida_book_quantity(own, side, p);
        }
    size_t open = 0, counted = 0;
    for (uint64_t id = 1; id < IDS; id++) {
        const known_order *o = &w->orders[id];
        ida_report now;
        HOLDS(ida_match_order(w->match, id, &now) == o->is_open);
        if (!o->is_open)
            continue;
        HOLDS(now.leaves == o->leaves && now.cumulative == o->cumulative && now.leaves > 0);
        open++;
        resting[o->side] += o->rests ? o->leaves : 0;
        least[o->side] += !o->rests ? 0 : o->iceberg ? 1 : o->leaves;
    }
    for (uint32_t account = 1; account <= ACCOUNTS; account++)
        counted += ida_match_open(w->match, account);
    HOLDS(open == counted && open <= ORDERS);
    HOLDS(displayed[0] <= resting[0] && displayed[1] <= resting[1]);
    HOLDS(displayed[0] >= least[0] && displayed[1] >= least[1]);
    HOLDS(ida_book_top(own)->bid < ida_book_top(own)->ask);
}

/* What few orders have. */
static void make_special(const walk_state *w, script *s, ida_new_order *order)
{
    uint8_t what = script_byte(s), more = script_byte(s);
    order->iceberg = what & 1 ? more % 16 : 0;
    order->trailing = what & 2 ? more * 40 : 0;
    order->stop_price *= !(what & 4);
    order->peg = what / 8 % 4;
    order->peg_offset = more % 4;
    for (uint64_t id = 1; what & 32 && id < IDS && !order->pair; id++)
        if (w->orders[id].is_open && !w->orders[id].pair)
            order->pair = id;
}

static void place(walk_state *w, script *s, int is_special)
{
    uint8_t kind = script_byte(s), who = script_byte(s);
    ida_new_order order = {
        .order_id = 1 + who % (IDS - 1), .account = 1 + who / 64, .side = kind & 1, .type = kind / 2 % 8,
        .tif = kind / 16 % 4, .stp = kind / 64 + (who & 1), .price = script_number(s), .quantity = script_number(s),
    };
    if (order.type != IDA_LIMIT && order.type != IDA_LIMIT_MAKER)
        order.stop_price = script_number(s);
    if (order.type == IDA_MARKET && order.quantity == 0)
        order.notional = script_number(s);
    if (is_special)
        make_special(w, s, &order);
    known_order *o = &w->orders[order.order_id], before = *o;
    if (!o->is_open) {
        o->by_notional = order.type == IDA_MARKET && order.quantity == 0;
        o->rests = order.type < IDA_STOP_LOSS;
        o->iceberg = order.iceberg > 0;
        o->pair = order.type >= IDA_STOP_LOSS ? order.pair : 0;
    }
    ida_status status = ida_match_place(w->match, &order, w->now);
    HOLDS(status == IDA_OK || status == IDA_BAD || status == IDA_FULL || (status == IDA_DUPLICATE && before.is_open));
    if (status != IDA_OK)
        *o = before;
    else if (o->pair)
        w->orders[o->pair].pair = order.order_id;
}

static void change(walk_state *w, script *s, int amends)
{
    uint64_t id = script_byte(s) % IDS;
    known_order before = w->orders[id];
    int64_t quantity = amends ? script_number(s) : 0;
    ida_status status = amends ? ida_match_amend(w->match, id, quantity, w->now) : ida_match_cancel(w->match, id, w->now);
    HOLDS((status == IDA_UNKNOWN) == !before.is_open);
    HOLDS(amends || status != IDA_BAD);
    HOLDS(!amends || status != IDA_OK || (quantity > before.cumulative && quantity < before.quantity));
}

/* 0: the recorded book is to be thrown away, and all that rests on it: the end of the script. */
static int show_depth(walk_state *w, script *s, int kind)
{
    _Alignas(8) char room[sizeof(ida_depth) + 16 * sizeof(ida_level)] = {0};
    ida_depth *depth = (ida_depth *)room;
    uint8_t counts = script_byte(s);
    depth->head.kind = (uint16_t)kind;
    depth->bids = counts % 8;
    depth->asks = counts / 8 % 8;
    for (uint32_t i = 0; i < depth->bids + depth->asks; i++)
        depth->levels[i] = (ida_level){script_number(s), script_number(s)};
    ida_status status = ida_match_depth(w->match, depth, w->now);
    HOLDS((status == IDA_STATE) == !w->outside);
    HOLDS(status != IDA_BAD && status != IDA_UNKNOWN);
    return status == IDA_OK || !w->outside;
}

static void trade(walk_state *w, script *s)
{
    ida_trade one = {.head = {.length = sizeof one, .kind = IDA_TRADE, .flags = script_byte(s) & 3}, .price = script_number(s),
                     .quantity = script_number(s)};
    follow_all(w);
    ida_status status = ida_match_trade(w->match, &one, w->now);
    int64_t given = follow_all(w);
    HOLDS(given == 0 || (status == IDA_OK && given <= one.quantity && !(one.head.flags & IDA_FLAG_OFF_BOOK)));
}

/* A whole market tells its changes: the levels as they stand now. */
static void read_changes(walk_state *w)
{
    ida_level levels[16];
    ida_print prints[16];
    uint32_t bids, asks;
    size_t count = ida_match_changes(w->match, levels, 16, &bids, &asks);
    HOLDS(count == (size_t)bids + asks && count <= 16);
    for (size_t i = 0; i < count; i++)
        HOLDS(levels[i].quantity == ida_book_quantity(ida_match_own(w->match), i < bids ? IDA_BUY : IDA_SELL, levels[i].price));
    count = ida_match_prints(w->match, prints, 16);
    for (size_t i = 0; i < count; i++)
        HOLDS(prints[i].quantity > 0 && (i == 0 || prints[i].trade_id > prints[i - 1].trade_id));
}

static int step(walk_state *w, script *s)
{
    int goes_on = 1;
    uint8_t op = script_byte(s);
    w->now += op % 3;
    if (op < 120)
        place(w, s, op >= 100);
    else if (op < 150)
        change(w, s, 0);
    else if (op < 165)
        change(w, s, 1);
    else if (op < 200)
        goes_on = show_depth(w, s, op < 170 ? IDA_SNAPSHOT : IDA_DEPTH);
    else if (op < 240)
        trade(w, s);
    else if (op < 250)
        read_changes(w);
    else
        ida_match_cancel_all(w->match, 1 + op % ACCOUNTS, w->now);
    follow_all(w);
    if (goes_on)
        hold_book(w);
    return goes_on;
}

static uint64_t walk(script s)
{
    uint8_t mode = script_byte(&s);
    walk_state w = {.outside = mode & 1 ? ida_book_new(4, MAX_PRICE) : NULL};
    w.match = ida_match_new(w.outside, MAX_PRICE, ORDERS, REPORTS, mode / 2 % 3, 1 + mode / 8 % 4, 1);
    HOLDS(w.match && (w.outside || !(mode & 1)));
    for (int i = 0; i < MOST && s.at < s.end && step(&w, &s); i++)
        ;
    ida_match_free(w.match);
    ida_book_free(w.outside);
    return w.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script s = {data, data + size};
    uint64_t first = walk(s);
    HOLDS(first == walk(s));
    return 0;
}
