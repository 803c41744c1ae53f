#include "fill.h"

#include <string.h>

int ida_fill_is_market(int type) { return type == IDA_MARKET || type == IDA_STOP_LOSS || type == IDA_TAKE_PROFIT; }

int ida_fill_reaches(int side, int64_t limit, int64_t price)
{
    return side == IDA_BUY ? price <= limit : price >= limit;
}

int64_t ida_fill_limit(int type, int side, int64_t price)
{
    if (!ida_fill_is_market(type))
        return price;
    return side == IDA_BUY ? INT64_MAX : 0;
}

int64_t ida_fill_own_best(const ida_match *m, int side)
{
    return ida_book_next(m->own, side, IDA_FROM_BEST);
}

int64_t ida_fill_recorded_best(const ida_match *m, int side)
{
    return m->recorded ? ida_recorded_next(m->recorded, side, IDA_FROM_BEST) : -1;
}

int64_t ida_fill_wanted(const ida_order *o, int64_t price)
{
    return o->by_notional ? o->notional / price : o->leaves;
}

/* ---- reports ----------------------------------------------------------------------------------------------- */

void ida_fill_describe(const ida_order *o, int status, ida_report *r)
{
    int is_open = status == IDA_S_NEW || status == IDA_S_PARTIALLY_FILLED;
    memset(r, 0, sizeof *r);
    r->order_id = o->order_id;
    r->account = o->account;
    r->side = o->side;
    r->price = o->price;
    r->order_quantity = o->quantity;
    r->cumulative = o->filled;
    r->leaves = is_open ? o->leaves : 0;
    r->ahead = is_open && o->ahead.front >= 0 ? (int64_t)o->ahead.front : -1;
    r->status = (uint8_t)status;
    r->follows = o->follows && o->extreme >= 0;
}

static ida_report *report(ida_match *m, const ida_order *o, int execution, int status, int reason)
{
    ida_report *r = o->account < m->first_account ? &m->unwanted : &m->reports[m->report_count++];
    ida_fill_describe(o, status, r);
    r->ts_venue_ns = m->now;
    r->execution = (uint8_t)execution;
    r->reason = (uint8_t)reason;
    return r;
}

void ida_fill_report(ida_match *m, const ida_order *o, int execution, int status, int reason)
{
    report(m, o, execution, status, reason);
}

/* For each order its acceptance, trigger and end, the two sides of each match (which ends one of the two), and a
 * split of the recorded level around it; each recorded level; and for each further part of an iceberg the match's two
 * sides and a split. */
size_t ida_fill_most_reports(size_t orders, size_t parts, size_t levels)
{
    return 6 * (orders + 1) + 3 * parts + levels;
}

size_t ida_fill_parts(int64_t quantity, int64_t iceberg)
{
    return iceberg ? (size_t)((quantity - 1) / iceberg + 1) : 0;
}

int ida_fill_has_room(const ida_match *m, size_t levels)
{
    size_t most = ida_fill_most_reports(ida_orders_count(m->orders), m->parts, levels);
    return m->report_count + most <= m->report_capacity;
}

static void print(ida_match *m, int64_t price, int64_t lots, int taker_side)
{
    ida_print *p = &m->prints[m->print_next++ & m->print_mask];
    *p = (ida_print){m->now, (int64_t)m->trades, price, lots, taker_side == IDA_SELL, 0};
    if (m->print_next - m->print_first > m->print_mask + 1)
        m->print_first++;
}

/* ---- one order --------------------------------------------------------------------------------------------- */

/* It was set free and is not to start any more. */
static void recall(ida_match *m, ida_order *o)
{
    ida_order **at = &m->elected, *before = NULL;
    for (; *at != o; at = &before->later)
        before = *at;
    *at = o->later;
    if (m->last_elected == o)
        m->last_elected = before;
}

static void drop(ida_match *m, ida_order *o)
{
    m->reducing -= o->reduce_only;
    m->parts -= o->parts;
    if (o->pair)
        o->pair->pair = NULL;
    if (o->is_elected)
        recall(m, o);
    else if (o->heap_index || o->follows)
        ida_stops_remove(m->stops, o);
    ida_orders_remove(m->orders, o);
}

void ida_fill_end(ida_match *m, ida_order *o, int execution, int status, int reason)
{
    report(m, o, execution, status, reason);
    drop(m, o);
}

/* Uses up lots at a price; returns 1 if the order wants no more. */
static int use_up(ida_match *m, ida_order *o, int64_t price, int64_t lots)
{
    if (!o->by_notional) {
        ida_orders_reduce(m->orders, o, lots);
        return !o->leaves;
    }
    o->notional -= lots * price;
    return o->notional < price;
}

/* The account's position has moved by the fill of this order: towards the orders of its side, away from the others. */
static void move_position(ida_match *m, const ida_order *filled, int64_t lots)
{
    if (!m->reducing)
        return;
    for (ida_order *o = ida_orders_oldest(m->orders, filled->account); o; o = o->younger) {
        if (!o->reduce_only || o->account != filled->account)
            continue;
        if (__builtin_add_overflow(o->reducible, o->side == filled->side ? -lots : lots, &o->reducible))
            o->reducible = o->side == filled->side ? INT64_MIN : INT64_MAX;
        m->has_overreached |= ida_fill_overreaches(o);
    }
}

/* One side of the present trade. counter: the other order's id, 0 if it was recorded liquidity. */
static enum ida_progress fill(ida_match *m, ida_order *o, int64_t price, int64_t lots, uint64_t counter,
                              int reason)
{
    ida_fill_end_pair(m, o);
    int is_done = use_up(m, o, price, lots);
    move_position(m, o, lots);
    o->filled += lots;
    if (o->by_notional)
        o->quantity = o->filled;
    o->status = is_done ? IDA_S_FILLED : IDA_S_PARTIALLY_FILLED;
    ida_report *r = report(m, o, IDA_X_TRADE, o->status, reason);
    r->price = price;
    r->quantity = lots;
    r->trade_id = m->trades;
    r->counter_order = counter;
    r->maker = reason != IDA_R_TOOK;
    if (!is_done)
        return IDA_GO_ON;
    drop(m, o);
    return IDA_ENDED;
}

/* ---- trades ------------------------------------------------------------------------------------------------ */

void ida_fill_move_last_price(ida_match *m, int64_t price)
{
    m->last_price = price;
    for (ida_order *o; (o = ida_stops_pop(m->stops, price));) {
        o->later = NULL;
        o->is_elected = 1;
        *(m->elected ? &m->last_elected->later : &m->elected) = o;
        m->last_elected = o;
    }
}

enum ida_progress ida_fill_meet(ida_match *m, ida_order *taker, ida_order *maker)
{
    int64_t price = maker->price, wanted = ida_fill_wanted(taker, price);
    int64_t lots = wanted < maker->shown ? wanted : maker->shown;
    uint64_t maker_id = maker->order_id;
    m->trades++;
    if (fill(m, maker, price, lots, taker->order_id, IDA_R_MATCHED) != IDA_ENDED)
        ida_fill_refill(m, maker);
    if (!m->recorded) {
        print(m, price, lots, taker->side);
        ida_fill_move_last_price(m, price);
    }
    return fill(m, taker, price, lots, maker_id, IDA_R_TOOK);
}

enum ida_progress ida_fill_take(ida_match *m, ida_order *taker, int64_t price, int64_t lots)
{
    m->trades++;
    return fill(m, taker, price, lots, 0, IDA_R_TOOK);
}

enum ida_progress ida_fill_resting(ida_match *m, ida_order *o, int64_t lots, int reason)
{
    m->trades++;
    return fill(m, o, o->price, lots, 0, reason);
}

void ida_fill_refill(ida_match *m, ida_order *o)
{
    if (ida_orders_refill(m->orders, o) && m->recorded)
        ida_ahead_start(&o->ahead, o->place->recorded);
}

void ida_fill_end_pair(ida_match *m, ida_order *o)
{
    if (o->pair)
        ida_fill_end(m, o->pair, IDA_X_EXPIRED, IDA_S_EXPIRED, IDA_R_PAIR);
}

/* ---- reduce-only ------------------------------------------------------------------------------------------- */

int ida_fill_overreaches(const ida_order *o) { return o->reduce_only && o->leaves > o->reducible; }

void ida_fill_expire_overreaching(ida_match *m, ida_order *o)
{
    ida_fill_end(m, o, IDA_X_EXPIRED, IDA_S_EXPIRED, IDA_R_REDUCE_ONLY);
}

static void expire_overreaching_from(ida_match *m, ida_order *oldest)
{
    ida_order *next;
    for (ida_order *o = oldest; o; o = next) {
        next = o->younger;
        if (ida_fill_overreaches(o))
            ida_fill_expire_overreaching(m, o);
    }
}

void ida_fill_expire_all_overreaching(ida_match *m)
{
    if (!m->has_overreached)
        return;
    m->has_overreached = 0;
    if (m->first_account)
        expire_overreaching_from(m, ida_orders_oldest(m->orders, 0));
    expire_overreaching_from(m, ida_orders_oldest(m->orders, m->first_account));
}

/* ---- self-trade prevention --------------------------------------------------------------------------------- */

int ida_fill_is_self(const ida_order *taker, const ida_order *maker)
{
    return taker->stp != IDA_STP_NONE && taker->account == maker->account;
}

static enum ida_progress lose(ida_match *m, ida_order *o, int64_t price, int64_t lots, uint64_t counter)
{
    int is_done = use_up(m, o, price, lots);
    int status = is_done ? IDA_S_EXPIRED_IN_MATCH : o->status;
    ida_report *r = report(m, o, IDA_X_TRADE_PREVENTION, status, IDA_R_SELF_TRADE);
    r->price = price;
    r->quantity = lots;
    r->counter_order = counter;
    if (!is_done)
        return IDA_GO_ON;
    drop(m, o);
    return IDA_ENDED;
}

enum ida_progress ida_fill_prevent(ida_match *m, ida_order *taker, ida_order *maker)
{
    int64_t price = maker->price, taker_lots = ida_fill_wanted(taker, price), maker_lots = maker->leaves;
    uint64_t maker_id = maker->order_id;
    int mode = taker->stp;
    if (mode == IDA_STP_DECREMENT)
        taker_lots = maker_lots = taker_lots < maker_lots ? taker_lots : maker_lots;
    if (mode != IDA_STP_EXPIRE_TAKER && lose(m, maker, price, maker_lots, taker->order_id) != IDA_ENDED)
        ida_fill_refill(m, maker);
    if (mode == IDA_STP_EXPIRE_MAKER)
        return IDA_GO_ON;
    return lose(m, taker, price, taker_lots, maker_id);
}
