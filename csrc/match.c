#include "match.h"

#include <stdlib.h>

#include "taker.h"

enum { SWEEP_LEVELS = 1 << 14, MOST_BIPS = 9999 };

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static int is_stop(int type) { return type >= IDA_STOP_LOSS; }

static int is_rising(const ida_order *o)
{
    return (o->type == IDA_STOP_LOSS || o->type == IDA_STOP_LOSS_LIMIT) == (o->side == IDA_BUY);
}

static int would_trigger(const ida_match *m, const ida_order *o)
{
    if (m->last_price < 0 || !o->stop_price)
        return 0;
    return is_rising(o) ? m->last_price >= o->stop_price : m->last_price <= o->stop_price;
}

/* What the recording shows at its price stands before it, if it is to rest there. */
static void start_queue(ida_match *m, ida_order *o)
{
    if (m->recorded && o->tif == IDA_GTC && !ida_fill_is_market(o->type))
        ida_ahead_start(&o->ahead, ida_book_quantity(m->outside, o->side, o->price));
}

/* Of a pegged order as it starts; 0: there is none. */
static int set_price(const ida_match *m, ida_order *o)
{
    int64_t price = o->peg ? ida_match_peg_price(m, o->side, o->peg, o->peg_offset) : o->price;
    if (price < 0)
        return 0;
    o->price = price;
    return 1;
}

/* What follows from the order or trade under way: its stops, and the reduce-only orders it left nothing to close. */
static void conclude(ida_match *m)
{
    for (ida_order *o; (o = m->elected);) {
        m->elected = o->later;
        o->is_elected = 0;
        if (ida_fill_overreaches(o)) {
            ida_fill_expire_overreaching(m, o);
            continue;
        }
        ida_fill_end_pair(m, o);
        if (!set_price(m, o)) {
            ida_fill_end(m, o, IDA_X_EXPIRED, IDA_S_EXPIRED, IDA_R_NO_PRICE);
            continue;
        }
        start_queue(m, o);
        ida_fill_report(m, o, IDA_X_TRIGGERED, o->status, IDA_R_NONE);
        ida_taker_start(m, o);
    }
    ida_fill_expire_all_overreaching(m);
}

/* ---- placing ------------------------------------------------------------------------------------------------ */

static int is_valid_price(const ida_match *m, const ida_new_order *n)
{
    if (n->peg > IDA_PEG_MARKET || n->iceberg < 0 || (n->iceberg && n->tif != IDA_GTC && n->type != IDA_LIMIT_MAKER))
        return 0;
    return n->peg || (n->price > 0 && n->price <= m->max_price);
}

static int is_valid_stop(const ida_match *m, const ida_new_order *n)
{
    if (n->trailing < 0 || n->trailing > MOST_BIPS || n->stop_price < 0 || n->stop_price > m->max_price)
        return 0;
    const ida_order *other = n->pair ? ida_orders_find(m->orders, n->pair) : NULL;
    if (n->pair && (!other || other->pair || other->account != n->account || other->side != n->side))
        return 0;
    return n->stop_price || n->trailing;
}

static int is_valid(const ida_match *m, const ida_new_order *n)
{
    int by_notional = n->type == IDA_MARKET && !n->quantity;
    if (!n->order_id || n->side > IDA_SELL || n->type > IDA_TAKE_PROFIT_LIMIT)
        return 0;
    if (n->tif > IDA_FOK || n->stp > IDA_STP_DECREMENT)
        return 0;
    if (by_notional ? n->notional <= 0 : n->quantity <= 0 || n->quantity > m->most_lots)
        return 0;
    if (n->reducible < 0 || (n->reducible && (by_notional || n->quantity > n->reducible)))
        return 0;
    if (!ida_fill_is_market(n->type) && !is_valid_price(m, n))
        return 0;
    return !is_stop(n->type) || is_valid_stop(m, n);
}

static size_t levels_placed(const ida_match *m, const ida_new_order *n)
{
    if (is_stop(n->type) || !m->recorded)
        return 0;
    int64_t limit = n->peg && !ida_fill_is_market(n->type) ? ida_fill_limit(IDA_MARKET, n->side, 0)
                                                           : ida_fill_limit(n->type, n->side, n->price);
    return ida_taker_levels(m, n->side, limit, n->quantity, n->quantity ? 0 : n->notional);
}

static void copy(ida_match *m, ida_order *o, const ida_new_order *n)
{
    int has_price = !ida_fill_is_market(n->type);
    o->side = n->side;
    o->type = n->type;
    o->tif = n->type == IDA_LIMIT_MAKER ? IDA_GTC : n->tif;
    o->stp = n->stp;
    o->price = has_price && !n->peg ? n->price : 0;
    o->peg = has_price ? n->peg : IDA_PEG_NONE;
    o->peg_offset = n->peg_offset;
    o->iceberg = has_price ? n->iceberg : 0;
    o->parts = ida_fill_parts(n->quantity, o->iceberg);
    o->stop_price = is_stop(n->type) ? n->stop_price : 0;
    o->trailing = is_stop(n->type) ? n->trailing : 0;
    o->pair = is_stop(n->type) && n->pair ? ida_orders_find(m->orders, n->pair) : NULL;
    if (o->pair)
        o->pair->pair = o;
    o->by_notional = !n->quantity;
    o->notional = n->quantity ? 0 : n->notional;
    o->quantity = o->leaves = n->quantity;
    o->reduce_only = n->reducible > 0;
    o->reducible = n->reducible;
    o->ahead.front = -1;
    m->reducing += o->reduce_only;
    m->parts += o->parts;
}

static size_t parts_of(const ida_new_order *n)
{
    return ida_fill_is_market(n->type) ? 0 : ida_fill_parts(n->quantity, n->iceberg);
}

/* Whether it may not even begin; then it is gone. */
static int is_refused(ida_match *m, ida_order *o)
{
    int reason = IDA_R_NONE;
    if (is_stop(o->type))
        reason = would_trigger(m, o) ? IDA_R_WOULD_TRIGGER : IDA_R_NONE;
    else if (!set_price(m, o))
        reason = IDA_R_NO_PRICE;
    else if (o->type == IDA_LIMIT_MAKER && ida_taker_would_take(m, o))
        reason = IDA_R_WOULD_TAKE;
    if (reason)
        ida_fill_end(m, o, IDA_X_REJECTED, IDA_S_REJECTED, reason);
    return reason != IDA_R_NONE;
}

ida_status ida_match_place(ida_match *m, const ida_new_order *n, int64_t now)
{
    if (!is_valid(m, n))
        return IDA_BAD;
    if (ida_orders_find(m->orders, n->order_id))
        return IDA_DUPLICATE;
    if (parts_of(n) > IDA_FILL_PARTS - m->parts || !ida_fill_has_room(m, levels_placed(m, n) + 3 * parts_of(n)))
        return IDA_FULL;
    ida_order *o = ida_orders_add(m->orders, n->order_id, n->account);
    if (!o)
        return IDA_FULL;
    m->now = now;
    copy(m, o, n);
    if (is_refused(m, o))
        return IDA_OK;
    if (!is_stop(o->type))
        start_queue(m, o);
    ida_fill_report(m, o, IDA_X_NEW, IDA_S_NEW, IDA_R_NONE);
    if (is_stop(o->type))
        ida_stops_add(m->stops, o, is_rising(o));
    else
        ida_taker_start(m, o);
    conclude(m);
    return IDA_OK;
}

/* ---- cancelling and amending -------------------------------------------------------------------------------- */

static ida_status end(ida_match *m, uint64_t order_id, int64_t now, int execution, int status, int reason)
{
    ida_order *o = ida_orders_find(m->orders, order_id);
    if (!o)
        return IDA_UNKNOWN;
    if (m->report_count == m->report_capacity)
        return IDA_FULL;
    m->now = now;
    ida_fill_end(m, o, execution, status, reason);
    return IDA_OK;
}

ida_status ida_match_cancel(ida_match *m, uint64_t order_id, int64_t now)
{
    return end(m, order_id, now, IDA_X_CANCELED, IDA_S_CANCELED, IDA_R_USER);
}

ida_status ida_match_expire(ida_match *m, uint64_t order_id, int64_t now)
{
    return end(m, order_id, now, IDA_X_EXPIRED, IDA_S_EXPIRED, IDA_R_PAIR);
}

size_t ida_match_cancel_all(ida_match *m, uint32_t account, int64_t now)
{
    size_t n = 0;
    ida_order *next;
    for (ida_order *o = ida_orders_oldest(m->orders, account); o; o = next) {
        next = o->younger;
        if (o->account == account && ida_match_cancel(m, o->order_id, now) == IDA_OK)
            n++;
    }
    return n;
}

ida_status ida_match_amend(ida_match *m, uint64_t order_id, int64_t quantity, int64_t now)
{
    ida_order *o = ida_orders_find(m->orders, order_id);
    if (!o)
        return IDA_UNKNOWN;
    if (quantity >= o->quantity || quantity <= o->quantity - o->leaves)
        return IDA_BAD;
    if (m->report_count == m->report_capacity)
        return IDA_FULL;
    m->now = now;
    ida_orders_cut(m->orders, o, o->quantity - quantity);
    o->quantity = quantity;
    ida_fill_report(m, o, IDA_X_REPLACED, o->status, IDA_R_NONE);
    return IDA_OK;
}

/* ---- the recording moves on --------------------------------------------------------------------------------- */

/* The trade went past our better prices: they had been first. Returns what is left of it. */
static int64_t trade_through(ida_match *m, int side, int64_t price, int64_t left)
{
    for (int64_t best; left && (best = ida_fill_own_best(m, side)) >= 0;) {
        if (best == price || !ida_fill_reaches(side, best, price))
            break;
        ida_order *o = ida_orders_at(m->orders, side, best)->oldest;
        if (ida_fill_overreaches(o)) {
            ida_fill_expire_overreaching(m, o);
            continue;
        }
        int64_t lots = least(left, o->leaves);
        left -= lots;
        if (ida_fill_resting(m, o, lots, IDA_R_TRADED_THROUGH) != IDA_ENDED)
            ida_fill_refill(m, o);
    }
    return left;
}

/* Icebergs whose part a trade used up show the next one, behind all that the trade could have reached. */
static void refill(ida_match *m, ida_price *p)
{
    ida_order *last = p ? p->youngest : NULL, *next;
    for (ida_order *o = p ? p->oldest : NULL; o; o = next) {
        next = o == last ? NULL : o->later;
        ida_fill_refill(m, o);
    }
}

/* The trade goes down the queue at its price, once: recorded lots and our orders as they stand. */
static void trade_at(ida_match *m, int side, int64_t price, int64_t quantity, int64_t left)
{
    ida_price *p = ida_orders_at(m->orders, side, price);
    ida_order *next;
    for (ida_order *o = p ? p->oldest : NULL; o; o = next) {
        next = o->later;
        if (ida_fill_overreaches(o)) {
            ida_fill_expire_overreaching(m, o);
            continue;
        }
        int64_t lots = least(ida_ahead_trade(&o->ahead, quantity, left), o->shown);
        left -= lots;
        if (lots)
            ida_fill_resting(m, o, lots, IDA_R_QUEUE_REACHED);
    }
    refill(m, ida_orders_at(m->orders, side, price));
}

ida_status ida_match_trade(ida_match *m, const ida_trade *t, int64_t now)
{
    int side = t->head.flags & IDA_FLAG_BUYER_IS_MAKER ? IDA_BUY : IDA_SELL;
    int64_t freed[2];
    size_t levels = 0;
    if (!m->recorded)
        return IDA_STATE;
    if (t->head.flags & IDA_FLAG_OFF_BOOK)
        return IDA_OK;
    if (t->price <= 0 || t->quantity <= 0)
        return IDA_BAD;
    if (ida_stops_count(m->stops)) {
        ida_stops_reached(m->stops, t->price, freed);
        levels = ida_taker_levels(m, IDA_BUY, INT64_MAX, freed[IDA_BUY], 0);
        levels += ida_taker_levels(m, IDA_SELL, 0, freed[IDA_SELL], 0);
    }
    if (!ida_fill_has_room(m, levels))
        return IDA_FULL;
    m->now = now;
    if (ida_book_levels(m->own, side))
        trade_at(m, side, t->price, t->quantity, trade_through(m, side, t->price, t->quantity));
    ida_fill_move_last_price(m, t->price);
    conclude(m);
    return IDA_OK;
}

static void show_level(ida_match *m, int side, int64_t price, int64_t quantity)
{
    if (!ida_book_quantity(m->own, side, price))
        return;
    ida_price *p = ida_orders_at(m->orders, side, price);
    double least_front = 0; /* a later order of ours has no less ahead than an earlier one */
    for (ida_order *o = p->oldest; o; o = o->later) {
        ida_ahead_depth(&o->ahead, m->model, m->power, p->recorded, quantity);
        if (o->ahead.front < least_front)
            o->ahead.front = least_front;
        least_front = o->ahead.front;
    }
    p->recorded = quantity;
}

static void show_depth(ida_match *m, int side, const ida_depth *depth)
{
    const ida_level *level = depth->levels + (side == IDA_BUY ? 0 : depth->bids);
    uint32_t count = side == IDA_BUY ? depth->bids : depth->asks;
    int64_t price = ida_fill_own_best(m, side);
    if (price < 0)
        return;
    if (depth->head.kind != IDA_SNAPSHOT)
        for (uint32_t i = 0; i < count; i++)
            show_level(m, side, level[i].price, level[i].quantity);
    else /* it says nothing of the levels that are gone */
        for (; price >= 0; price = ida_book_next(m->own, side, price))
            show_level(m, side, price, ida_book_quantity(m->outside, side, price));
}

/* Lots that the other side of the recording shows at or through the order's price, as far as it wants them. */
static int64_t cross_one(ida_match *m, const ida_order *o)
{
    int64_t lots = 0, price;
    while (lots < o->leaves && (price = ida_fill_recorded_best(m, !o->side)) >= 0) {
        if (!ida_fill_reaches(o->side, o->price, price))
            break;
        int64_t more = least(o->leaves - lots, ida_recorded_available(m->recorded, !o->side, price));
        if (ida_recorded_take(m->recorded, !o->side, price, more) != IDA_OK)
            break;
        lots += more;
    }
    return lots;
}

static int has_offer(const ida_match *m, const ida_order *o)
{
    int64_t price = ida_fill_recorded_best(m, !o->side);
    return price >= 0 && ida_fill_reaches(o->side, o->price, price);
}

static void cross(ida_match *m, int side)
{
    for (int64_t best; (best = ida_fill_own_best(m, side)) >= 0;) {
        int64_t other = ida_book_next(m->outside, !side, IDA_FROM_BEST);
        if (other < 0 || !ida_fill_reaches(side, best, other))
            return;
        ida_order *o = ida_orders_at(m->orders, side, best)->oldest;
        if (ida_fill_overreaches(o) && has_offer(m, o)) {
            ida_fill_expire_overreaching(m, o);
            continue;
        }
        int64_t lots = cross_one(m, o);
        if (lots && ida_fill_resting(m, o, lots, IDA_R_BOOK_CROSSED) == IDA_ENDED)
            continue;
        ida_fill_refill(m, o);
        return;
    }
}

ida_status ida_match_depth(ida_match *m, const ida_depth *depth, int64_t now)
{
    if (!m->recorded)
        return IDA_STATE;
    if (!ida_fill_has_room(m, 0))
        return IDA_FULL;
    ida_status status = ida_book_apply(m->outside, depth);
    if (status != IDA_OK)
        return status;
    if (ida_book_quantity(m->outside, IDA_BUY, 0) || ida_book_quantity(m->outside, IDA_SELL, 0))
        return IDA_RANGE; /* whoever pays nothing gets lots without end */
    m->now = now;
    ida_recorded_follow(m->recorded, depth);
    for (int side = 0; side < 2; side++)
        show_depth(m, side, depth);
    for (int side = 0; side < 2; side++)
        cross(m, side);
    conclude(m);
    return IDA_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

const ida_report *ida_match_reports(const ida_match *m, size_t *count)
{
    *count = m->report_count;
    return m->reports;
}

void ida_match_clear_reports(ida_match *m) { m->report_count = 0; }

const ida_book *ida_match_own(const ida_match *m) { return m->own; }

int64_t ida_match_last_price(const ida_match *m) { return m->last_price; }

int64_t ida_match_max_price(const ida_match *m) { return m->max_price; }

int64_t ida_match_peg_price(const ida_match *m, int side, int peg, int offset)
{
    int of = peg == IDA_PEG_PRIMARY ? side : !side;
    int64_t own = ida_fill_own_best(m, of), recorded = ida_fill_recorded_best(m, of), price;
    while ((price = ida_taker_better(of, own, recorded)) >= 0 && offset-- > 0) {
        if (price == own)
            own = ida_book_next(m->own, of, price);
        if (price == recorded)
            recorded = ida_recorded_next(m->recorded, of, price);
    }
    return price;
}

void ida_match_set_alarm(ida_match *m, int64_t low, int64_t high)
{
    m->alarm_low = low;
    m->alarm_high = high;
}

int ida_match_is_alarmed(const ida_match *m)
{
    return m->last_price >= 0 && (m->last_price <= m->alarm_low || m->last_price >= m->alarm_high);
}

size_t ida_match_open(const ida_match *m, uint32_t account)
{
    size_t n = 0;
    for (const ida_order *o = ida_orders_oldest(m->orders, account); o; o = o->younger)
        n += o->account == account;
    return n;
}

int ida_match_order(const ida_match *m, uint64_t order_id, ida_report *out)
{
    const ida_order *o = ida_orders_find(m->orders, order_id);
    if (o)
        ida_fill_describe(o, o->status, out);
    return o != NULL;
}

size_t ida_match_changes(ida_match *m, ida_level *levels, size_t most, uint32_t *bids, uint32_t *asks)
{
    *bids = (uint32_t)ida_orders_changes(m->orders, IDA_BUY, levels, most);
    *asks = (uint32_t)ida_orders_changes(m->orders, IDA_SELL, levels + *bids, most - *bids);
    return (size_t)*bids + *asks;
}

size_t ida_match_prints(ida_match *m, ida_print *prints, size_t most)
{
    size_t n = 0;
    while (n < most && m->print_first < m->print_next)
        prints[n++] = m->prints[m->print_first++ & m->print_mask];
    return n;
}

/* ---- making ------------------------------------------------------------------------------------------------- */

static int is_complete(const ida_match *m)
{
    return m->orders && m->stops && m->reports && (m->outside ? m->recorded != NULL : m->prints != NULL);
}

ida_match *ida_match_new(ida_book *outside, int64_t max_price, size_t orders, size_t reports, int queue_model,
                         double power, uint32_t first_account)
{
    if (queue_model < IDA_QUEUE_RISK_AVERSE || queue_model > IDA_QUEUE_LOG)
        return NULL;
    if (queue_model == IDA_QUEUE_POWER && !(power > 0 && power <= 100))
        return NULL;
    if (!reports || reports > SIZE_MAX / 4096)
        return NULL;
    ida_match *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    *m = (ida_match){.outside = outside, .last_price = -1, .model = queue_model, .power = power,
                     .first_account = first_account, .max_price = max_price,
                     .alarm_low = -1, .alarm_high = INT64_MAX};
    m->orders = ida_orders_new(orders, max_price, first_account, !outside);
    if (!m->orders) {
        ida_match_free(m);
        return NULL;
    }
    m->own = ida_orders_book(m->orders);
    m->most_lots = INT64_MAX / (int64_t)(orders + 1);
    m->stops = ida_stops_new(orders);
    m->report_capacity = reports + ida_fill_most_reports(orders, IDA_FILL_PARTS, outside ? SWEEP_LEVELS : 0);
    m->reports = calloc(m->report_capacity, sizeof *m->reports);
    while (m->print_mask < 2 * (orders + 1))
        m->print_mask = m->print_mask * 2 + 1;
    m->prints = outside ? NULL : calloc(m->print_mask + 1, sizeof *m->prints);
    m->recorded = outside ? ida_recorded_new(outside, max_price) : NULL;
    if (is_complete(m))
        return m;
    ida_match_free(m);
    return NULL;
}

void ida_match_free(ida_match *m)
{
    if (!m)
        return;
    ida_orders_free(m->orders);
    ida_stops_free(m->stops);
    ida_recorded_free(m->recorded);
    free(m->reports);
    free(m->prints);
    free(m);
}
