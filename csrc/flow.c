#include "flow.h"

#include "maths.h"
#include "room.h"

#include <math.h>
#include <stdlib.h>

enum { MASK = IDA_FLOW_MARKS - 1, SECOND = 10, LEAST = 10, LEAST_STEPS = 5 };

#define STEP ((int64_t)IDA_FLOW_STEP_NS)
#define NEVER INT64_MAX

/* Unsigned, so that differences below 0 are defined; read as signed. */
typedef unsigned __int128 wide;

/* No trade is worth more ticks x lots, so that 2^30 of them still add up. */
#define MOST_VALUE ((wide)1 << 96)

/* All that was counted until some time. Signed: bought less sold. Spreads: twice the distance from the mid. */
typedef struct sums {
    wide bought, sold, trades, order_flow;
    wide turnover, signed_turnover;
    wide effective, effective_lots;
    wide realized, realized_lots;
} sums;

/* The book's best, as long as they are known. */
typedef struct sight {
    double log; /* of twice the mid; NaN: not known */
    int64_t both; /* twice the mid; -1 */
} sight;

struct ida_flow {
    ida_market *market;
    sums now;
    ida_top top;      /* where `is_known` */
    sight sight;
    int64_t now_ns;
    int64_t next_ns;  /* of the next mark */
    int64_t index;    /* of the last one: its time is index x STEP */
    int64_t first;    /* the oldest there is */
    int64_t book_from, trades_from; /* marks from which on nothing is missing; NEVER: something is */
    int64_t holes;    /* of the ids of trades, when last looked at */
    int64_t traded;   /* the mark before the last trade */
    int32_t is_known;
    int32_t is_lost;  /* the stream was, and has told nothing since */
    sums *marks;
    sight *sights;
};

static const sight unknown = {NAN, -1};

static sums *mark_at(const ida_flow *f, int64_t index) { return &f->marks[index & MASK]; }
static sight *sight_at(const ida_flow *f, int64_t index) { return &f->sights[index & MASK]; }

/* ---- time goes on ------------------------------------------------------------------------------------------- */

/* The trades of one interval, long ago, against the mid as it is at this mark. */
static void realize(ida_flow *f, int64_t index)
{
    int64_t before = index - IDA_FLOW_LATER - 1;
    if (before < f->first || before > f->traded || f->sight.both < 0)
        return;
    const sums *from = mark_at(f, before), *to = mark_at(f, before + 1);
    wide bought = to->bought - from->bought, sold = to->sold - from->sold;
    f->now.realized += 2 * (to->signed_turnover - from->signed_turnover) - (wide)f->sight.both * (bought - sold);
    f->now.realized_lots += bought + sold;
}

static void mark(ida_flow *f, int64_t index)
{
    realize(f, index);
    *mark_at(f, index) = f->now;
    *sight_at(f, index) = f->sight;
    f->index = index;
    if (index - f->first >= IDA_FLOW_MARKS)
        f->first = index - IDA_FLOW_MARKS + 1;
}

/* Once the last trade is settled all marks of a quiet time are the same: those that would not stay are left out. */
static __attribute__((noinline)) void write_marks(ida_flow *f, int64_t last)
{
    for (int64_t i = f->index + 1; i <= last; i++) {
        if (last - i >= IDA_FLOW_MARKS && i - IDA_FLOW_LATER - 1 > f->traded)
            f->first = i = last - IDA_FLOW_MARKS + 1;
        mark(f, i);
    }
    f->next_ns = (last + 1) * STEP;
}

/* Time never goes back, and stays where all sums of it fit. */
static inline void move_to(ida_flow *f, int64_t now_ns)
{
    if (now_ns > INT64_MAX - 2 * STEP)
        now_ns = INT64_MAX - 2 * STEP;
    if (now_ns <= f->now_ns)
        return;
    f->now_ns = now_ns;
    if (now_ns >= f->next_ns)
        write_marks(f, now_ns / STEP);
}

/* ---- what happens -------------------------------------------------------------------------------------------- */

/* Cont, Kukanov and Stoikov: what came to a best price less what left it, bids positive. */
static wide order_flow(const ida_top *was, const ida_top *is)
{
    wide e = 0;
    if (is->bid >= was->bid)
        e += (wide)is->bid_quantity;
    if (is->bid <= was->bid)
        e -= (wide)was->bid_quantity;
    if (is->ask <= was->ask)
        e -= (wide)is->ask_quantity;
    if (is->ask >= was->ask)
        e += (wide)was->ask_quantity;
    return e;
}

static void see_book(ida_flow *f)
{
    const ida_top *top = ida_book_top(ida_market_book(f->market));
    int known = ida_market_is_known(f->market) && top->bid >= 0 && top->ask != INT64_MAX;
    if (!known) {
        f->is_known = 0;
        f->book_from = NEVER;
        f->sight = unknown;
        return;
    }
    if (!f->is_known)
        f->book_from = f->index + 1;
    else
        f->now.order_flow += order_flow(&f->top, top);
    f->is_known = 1;
    f->top = *top;
    if (f->sight.both != top->bid + top->ask)
        f->sight = (sight){ida_ln((double)(top->bid + top->ask)), top->bid + top->ask};
}

static void see_trade(ida_flow *f, const ida_trade *trade)
{
    if (trade->head.flags & IDA_FLAG_OFF_BOOK || trade->price <= 0 || trade->quantity < 0)
        return;
    int sold = trade->head.flags & IDA_FLAG_BUYER_IS_MAKER;
    wide lots = (wide)trade->quantity, value = (wide)trade->price * lots;
    if (value > MOST_VALUE)
        return;
    *(sold ? &f->now.sold : &f->now.bought) += lots;
    f->now.trades++;
    f->now.turnover += value;
    f->now.signed_turnover += sold ? -value : value;
    f->traded = f->index;
    if (f->sight.both < 0)
        return;
    wide away = 2 * value - (wide)f->sight.both * lots;
    f->now.effective += sold ? -away : away;
    f->now.effective_lots += lots;
}

static void see(void *state, const ida_record *record, int changes)
{
    ida_flow *f = state;
    move_to(f, record->ts_local_ns);
    if (f->is_lost) {
        f->is_lost = 0;
        f->trades_from = f->index + 1;
    }
    int64_t holes = ida_market_look(f->market)->trade_holes;
    if (holes != f->holes) { /* of what was traded there nothing is known */
        f->holes = holes;
        f->trades_from = f->index + 1;
    }
    if (record->kind == IDA_TRADE)
        see_trade(f, (const ida_trade *)record);
    else if (changes & (IDA_CHANGED_TOP | IDA_CHANGED_STATE))
        see_book(f);
}

static void turn(void *state, int lost)
{
    ida_flow *f = state;
    move_to(f, ida_market_now(f->market));
    if (lost) {
        f->is_lost = 1;
        f->trades_from = NEVER;
    }
    see_book(f);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

typedef struct window {
    int64_t from; /* the mark it begins at */
    int64_t steps;
} window;

/* 0: it is out of range, or reaches beyond what is kept. */
static int open_window(const ida_flow *f, int64_t window_ns, window *w)
{
    if (window_ns < STEP || window_ns > (int64_t)IDA_FLOW_MOST_S * 10 * STEP)
        return 0;
    w->steps = window_ns / STEP;
    w->from = f->now_ns < window_ns ? -1 : (f->now_ns - window_ns) / STEP;
    return w->from >= f->first && w->from <= f->index;
}

/* Where there is a book at all, trades of a market that is not in step may be missing too. */
static int is_live(const ida_market *m)
{
    const ida_market_view *view = ida_market_look(m);
    return view->synced || !(view->count[IDA_SNAPSHOT] + view->count[IDA_DEPTH]);
}

static double number(wide sum)
{
    return (double)(__int128)sum;
}

static double ratio(wide sum, wide of)
{
    return of ? (double)(__int128)sum / (double)(__int128)of : NAN;
}

/* The log return that ends at a mark; NaN where either end is not known. */
static double step_return(const ida_flow *f, int64_t end, int64_t step)
{
    if (end - step < f->first || end > f->index)
        return NAN;
    return sight_at(f, end)->log - sight_at(f, end - step)->log;
}

/* How many steps are looked at, and the mark at which the last one ends; 0: out of range. */
static int64_t last_step(const ida_flow *f, int64_t window_ns, int64_t step_ns, int64_t *step, int64_t *end)
{
    if (step_ns < STEP || step_ns % STEP || step_ns > window_ns / LEAST_STEPS
        || window_ns > (int64_t)IDA_FLOW_MOST_S * 10 * STEP)
        return 0;
    *step = step_ns / STEP;
    *end = f->index - f->index % *step;
    return window_ns / step_ns;
}

static double variance(const ida_flow *f, int64_t window_ns, int64_t step_ns)
{
    int64_t step, end, steps = last_step(f, window_ns, step_ns, &step, &end), known = 0;
    double sum = 0;
    for (int64_t i = 0; i < steps; i++) {
        double r = step_return(f, end - i * step, step);
        if (r == r) {
            sum += r * r;
            known++;
        }
    }
    return known >= LEAST_STEPS && 2 * known >= steps ? sum / ((double)known * (double)step_ns / 1e9) : NAN;
}

/* Sums over the whole seconds of a window, last first. */
static double illiquidity(const ida_flow *f, const window *w)
{
    int64_t end = f->index - f->index % SECOND, found = 0;
    double sum = 0;
    for (; end - SECOND >= w->from; end -= SECOND) {
        double r = step_return(f, end, SECOND);
        wide turnover = mark_at(f, end)->turnover - mark_at(f, end - SECOND)->turnover;
        if (r != r || !turnover)
            continue;
        sum += fabs(r) / (double)turnover;
        found++;
    }
    return found >= LEAST ? sum / (double)found : NAN;
}

static double price_impact(const ida_flow *f, const window *w)
{
    int64_t end = f->index - f->index % SECOND;
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (; end - SECOND >= w->from; end -= SECOND) {
        const sums *from = mark_at(f, end - SECOND), *to = mark_at(f, end);
        int64_t was = sight_at(f, end - SECOND)->both, is = sight_at(f, end)->both;
        if (was < 0 || is < 0)
            continue;
        double lots = (double)(__int128)(to->bought - from->bought - (to->sold - from->sold));
        double moved = (double)(is - was) / 2;
        n++;
        x += lots;
        y += moved;
        xx += lots * lots;
        xy += lots * moved;
    }
    double spread = n * xx - x * x;
    return n >= LEAST && spread > 0 ? (n * xy - x * y) / spread : NAN;
}

static double measure_trades(const ida_flow *f, int measure, const window *w)
{
    const sums *from = mark_at(f, w->from), *to = &f->now;
    if (w->from < f->trades_from)
        return NAN;
    switch (measure) {
    case IDA_BOUGHT: return number(to->bought - from->bought);
    case IDA_SOLD: return number(to->sold - from->sold);
    case IDA_TRADES: return number(to->trades - from->trades);
    case IDA_TURNOVER: return number(to->turnover - from->turnover);
    case IDA_ILLIQUIDITY: return illiquidity(f, w);
    case IDA_PRICE_IMPACT: return price_impact(f, w);
    case IDA_EFFECTIVE_SPREAD:
        return ratio(to->effective - from->effective, to->effective_lots - from->effective_lots);
    case IDA_REALIZED_SPREAD: return ratio(to->realized - from->realized, to->realized_lots - from->realized_lots);
    default: return NAN;
    }
}

double ida_flow_measure(ida_flow *f, int measure, int64_t window_ns, int64_t step_ns)
{
    window w;
    move_to(f, ida_market_now(f->market));
    if (!is_live(f->market))
        return NAN;
    if (measure == IDA_VARIANCE)
        return variance(f, window_ns, step_ns);
    if (!open_window(f, window_ns, &w))
        return NAN;
    if (measure == IDA_ORDER_FLOW)
        return w.from >= f->book_from ? number(f->now.order_flow - mark_at(f, w.from)->order_flow) : NAN;
    return measure_trades(f, measure, &w);
}

double ida_flow_correlation(ida_flow *a, ida_flow *b, int64_t window_ns, int64_t step_ns)
{
    int64_t now_a = ida_market_now(a->market), now_b = ida_market_now(b->market), step, end, known = 0;
    move_to(a, now_a > now_b ? now_a : now_b);
    move_to(b, now_a > now_b ? now_a : now_b);
    if (!is_live(a->market) || !is_live(b->market))
        return NAN;
    int64_t steps = last_step(a, window_ns, step_ns, &step, &end);
    double aa = 0, bb = 0, ab = 0;
    for (int64_t i = 0; i < steps; i++) {
        double one = step_return(a, end - i * step, step), other = step_return(b, end - i * step, step);
        if (one != one || other != other)
            continue;
        aa += one * one;
        bb += other * other;
        ab += one * other;
        known++;
    }
    if (known < LEAST || 2 * known < steps || !(aa > 0) || !(bb > 0))
        return NAN;
    return (ab / aa) * (fabs(ab) / bb);
}

/* ---- making -------------------------------------------------------------------------------------------------- */

static void flow_free(void *state)
{
    ida_flow *f = state;
    ida_room_free(f->marks, IDA_FLOW_MARKS, sizeof *f->marks);
    ida_room_free(f->sights, IDA_FLOW_MARKS, sizeof *f->sights);
    free(f);
}

static ida_flow *flow_new(ida_market *m)
{
    ida_flow *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->marks = ida_room_new(IDA_FLOW_MARKS, sizeof *f->marks);
    f->sights = ida_room_new(IDA_FLOW_MARKS, sizeof *f->sights);
    if (!f->marks || !f->sights) {
        flow_free(f);
        return NULL;
    }
    int64_t now = ida_market_now(m);
    f->market = m;
    f->sight = unknown;
    f->now_ns = now < 0 ? 0 : now > INT64_MAX - 2 * STEP ? INT64_MAX - 2 * STEP : now;
    f->index = f->now_ns / STEP;
    f->first = f->index + 1;
    f->next_ns = (f->index + 1) * STEP;
    f->traded = -1;
    f->is_lost = 1; /* what came before the next record is not known */
    f->trades_from = NEVER;
    f->holes = ida_market_look(m)->trade_holes;
    see_book(f);
    return f;
}

ida_flow *ida_flow_of(ida_market *m)
{
    const ida_observer *there = ida_market_observer(m);
    if (there->see == see)
        return there->state;
    ida_flow *f = there->see ? NULL : flow_new(m);
    if (f)
        (void)ida_market_observe(m, &(ida_observer){see, turn, flow_free, f});
    return f;
}
