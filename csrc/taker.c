#include "taker.h"

int64_t ida_taker_better(int side, int64_t a, int64_t b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return (a < b) == (side == IDA_SELL) ? a : b;
}

/* ---- taking ------------------------------------------------------------------------------------------------ */

static enum ida_progress take_recorded(ida_match *m, ida_order *o, int64_t price, int64_t available)
{
    int64_t wanted = ida_fill_wanted(o, price), lots = wanted < available ? wanted : available;
    if (ida_recorded_take(m->recorded, !o->side, price, lots) != IDA_OK)
        return IDA_NO_MORE;
    return ida_fill_take(m, o, price, lots);
}

/* Recorded lots that a taker meets before this order of ours. What we took of the level was its oldest part. */
static int64_t recorded_before(const ida_match *m, const ida_order *maker)
{
    int64_t available = ida_recorded_available(m->recorded, maker->side, maker->price);
    int64_t before = ida_ahead_lots(&maker->ahead) - ida_recorded_taken(m->recorded, maker->side, maker->price);
    return before < 0 ? 0 : before < available ? before : available;
}

static enum ida_progress take_best(ida_match *m, ida_order *o)
{
    int other = !o->side;
    int64_t own = ida_fill_own_best(m, other), recorded = ida_fill_recorded_best(m, other);
    int64_t price = ida_taker_better(other, own, recorded), limit = ida_fill_limit(o->type, o->side, o->price);
    if (price < 0 || !ida_fill_reaches(o->side, limit, price) || !ida_fill_wanted(o, price))
        return IDA_NO_MORE;
    if (price != own)
        return take_recorded(m, o, price, ida_recorded_available(m->recorded, other, price));
    ida_order *maker = ida_orders_at(m->orders, other, price)->oldest;
    if (ida_fill_overreaches(maker)) {
        ida_fill_expire_overreaching(m, maker);
        return IDA_GO_ON;
    }
    int64_t before = price == recorded ? recorded_before(m, maker) : 0;
    if (before)
        return take_recorded(m, o, price, before);
    return ida_fill_is_self(o, maker) ? ida_fill_prevent(m, o, maker) : ida_fill_meet(m, o, maker);
}

/* ---- all or nothing ---------------------------------------------------------------------------------------- */

/* A maker that may have to expire before the taker comes to it: fills of its account that come first decide. */
static int is_unsure(const ida_order *taker, const ida_order *maker)
{
    return ida_fill_overreaches(maker) || (maker->reduce_only && maker->account != taker->account);
}

/* Lots to be had at one price of `other` before the taker meets an order of its own that would end or shrink it;
 * *met tells whether it does. */
static int64_t fillable_at(const ida_match *m, const ida_order *taker, int other, int64_t price, int *met)
{
    int64_t lots = 0, hidden = 0; /* the next parts of icebergs come after it */
    ida_price *p = ida_orders_at(m->orders, other, price);
    for (ida_order *maker = p ? p->oldest : NULL; maker; maker = maker->later) {
        if (is_unsure(taker, maker))
            continue;
        if (!ida_fill_is_self(taker, maker))
            lots += maker->leaves, hidden += maker->leaves - maker->shown;
        else if (taker->stp != IDA_STP_EXPIRE_MAKER) {
            *met = 1;
            return lots - hidden + (m->recorded ? recorded_before(m, maker) : 0);
        }
    }
    int64_t recorded = m->recorded ? ida_recorded_available(m->recorded, other, price) : 0;
    return lots + (recorded < taker->leaves ? recorded : taker->leaves);
}

static int is_fillable(const ida_match *m, const ida_order *o)
{
    int other = !o->side, met = 0;
    int64_t own = ida_fill_own_best(m, other), recorded = ida_fill_recorded_best(m, other), left = o->leaves;
    while (left > 0 && !met) {
        int64_t price = ida_taker_better(other, own, recorded);
        if (price < 0 || !ida_fill_reaches(o->side, o->price, price))
            return 0;
        left -= fillable_at(m, o, other, price, &met);
        if (price == own)
            own = ida_book_next(m->own, other, price);
        if (price == recorded)
            recorded = ida_recorded_next(m->recorded, other, price);
    }
    return left <= 0;
}

/* ---- the whole way ----------------------------------------------------------------------------------------- */

static void rest(ida_match *m, ida_order *o)
{
    if (ida_orders_rest(m->orders, o) && m->recorded)
        o->place->recorded = ida_book_quantity(m->outside, o->side, o->price);
}

void ida_taker_start(ida_match *m, ida_order *o)
{
    int is_market = ida_fill_is_market(o->type);
    enum ida_progress progress = IDA_GO_ON;
    if (o->tif == IDA_FOK && !is_market && !is_fillable(m, o)) {
        ida_fill_end(m, o, IDA_X_EXPIRED, IDA_S_EXPIRED, IDA_R_FOK_SHORT);
        return;
    }
    while (progress == IDA_GO_ON)
        progress = take_best(m, o);
    if (progress == IDA_ENDED)
        return;
    if (is_market)
        ida_fill_end(m, o, IDA_X_EXPIRED, IDA_S_EXPIRED, IDA_R_NO_LIQUIDITY);
    else if (o->tif != IDA_GTC)
        ida_fill_end(m, o, IDA_X_EXPIRED, IDA_S_EXPIRED, IDA_R_IOC_REST);
    else
        rest(m, o);
}

int ida_taker_would_take(const ida_match *m, const ida_order *o)
{
    int other = !o->side;
    int64_t price = ida_taker_better(other, ida_fill_own_best(m, other), ida_fill_recorded_best(m, other));
    return price >= 0 && ida_fill_reaches(o->side, o->price, price);
}

size_t ida_taker_levels(const ida_match *m, int side, int64_t limit, int64_t lots, int64_t notional)
{
    size_t levels = 0;
    int64_t price = ida_fill_recorded_best(m, !side);
    while (price >= 0 && ida_fill_reaches(side, limit, price) && (lots > 0 || notional >= price)) {
        int64_t there = ida_recorded_available(m->recorded, !side, price), affordable = notional / price;
        lots -= there < lots ? there : lots;
        notional -= (there < affordable ? there : affordable) * price;
        levels++;
        price = ida_recorded_next(m->recorded, !side, price);
    }
    return levels;
}
