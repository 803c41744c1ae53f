#include "agents.h"

#include <stdlib.h>

#include "chance.h"
#include "maths.h"
#include "tape.h"

/* A latent value walks; nobody but the agents knows it. Makers keep a ladder of quotes on both sides of it and move
 * those that have become stale; takers hit what it has left behind, or trade on a mood; others place orders at random
 * distances (strays) and cancel them again. The book's price follows the value by what they do. */
enum {
    LADDER = 32,         /* quotes of the makers a side */
    USUAL_STRAYS = 300,  /* as many are cancelled as placed here */
    MOST_STRAYS = 1024,
    LEAST_LEVELS = 16,   /* of a side, before it is refilled ... */
    REFILLED_LEVELS = 24 /* ... to so many */
};
static const uint64_t AGENTS = 1ull << 63; /* users' order ids count up from 1 */
static const double SECONDS_A_DAY = 86400;

typedef struct quote {
    uint64_t order; /* 0: none */
    int64_t price;
} quote;

struct ida_agents {
    ida_agents_config config;
    ida_match *match;
    const ida_book *book;
    const ida_top *top;
    ida_tape *tape;
    ida_chance fate;         /* when who acts, and where the value goes: no user can change that */
    ida_chance whim;         /* what they do: depends on the book */
    uint64_t orders;
    int64_t now, action_ns;
    ida_status status;       /* of the action under way */
    size_t touched;          /* orders placed or cancelled by it */
    double value, low, high; /* ticks; between the two for ever */
    double deviation;        /* of the value's move in a second, as a fraction */
    double log_volatility;   /* around the configured one */
    int64_t value_ns, volatility_ns; /* when they were last moved */
    double mood;             /* of takers: -1 all sold lately .. 1 all bought */
    int64_t middle;          /* the value in whole ticks */
    int64_t step;            /* ticks: the grain of the ladder */
    int64_t distance[LADDER];
    double weight[LADDER];
    quote ladder[2][LADDER];
    size_t turn;             /* of the ladder's quotes that are looked after */
    quote strays[MOST_STRAYS];
    size_t stray_count;
};

/* ---- orders ------------------------------------------------------------------------------------------------- */

static int64_t lots(const ida_agents *a, double typical)
{
    double wanted = typical * (double)a->config.typical_quantity;
    return wanted < 1 ? 1 : (int64_t)wanted;
}

static int64_t away(int side, int64_t price, int64_t ticks) { return side == IDA_BUY ? price - ticks : price + ticks; }

/* The order's id; 0 if there is none, as where the price does not exist. */
static uint64_t place(ida_agents *a, int side, int tif, int64_t price, int64_t quantity)
{
    ida_new_order order = {.order_id = AGENTS | ++a->orders, .side = (uint8_t)side, .type = IDA_LIMIT,
                           .tif = (uint8_t)tif, .stp = IDA_STP_NONE, .price = price, .quantity = quantity};
    ida_status status = ida_match_place(a->match, &order, a->now);
    a->touched++;
    if (status == IDA_FULL)
        a->status = status;
    return status == IDA_OK ? order.order_id : 0;
}

static void cancel(ida_agents *a, uint64_t order)
{
    a->touched++;
    if (ida_match_cancel(a->match, order, a->now) == IDA_FULL)
        a->status = IDA_FULL;
}

static int is_open(const ida_agents *a, uint64_t order)
{
    ida_report report;
    return ida_match_order(a->match, order, &report);
}

/* ---- makers ------------------------------------------------------------------------------------------------- */

static int is_stale(const ida_agents *a, int side, int k)
{
    int64_t price = a->ladder[side][k].price, slack = a->step * (k + 4) / 4;
    int64_t closest = away(side, a->middle, a->config.half_spread);
    int64_t beyond = price - away(side, a->middle, a->distance[k]);
    int is_too_close = side == IDA_BUY ? price > closest : price < closest;
    return is_too_close || beyond > slack || beyond < -slack;
}

static void quote_anew(ida_agents *a, int side, int k)
{
    quote *q = &a->ladder[side][k];
    int64_t scatter = k ? (int64_t)ida_chance_below(&a->whim, (uint64_t)a->step / 2 + 1) : 0;
    if (q->order)
        cancel(a, q->order);
    q->price = away(side, a->middle, a->distance[k] + scatter);
    q->order = place(a, side, IDA_GTC, q->price, lots(a, a->weight[k] * (0.5 + ida_chance_unit(&a->whim))));
}

/* The best quotes are looked after always, the others by turns; some are overlooked, and takers find them. */
static void keep_side(ida_agents *a, int side)
{
    for (int k = 0; k < LADDER; k++) {
        int is_looked_after = k < 4 || (size_t)k % 8 == a->turn % 8;
        if (is_stale(a, side, k)) {
            if (ida_chance_below(&a->whim, 8))
                quote_anew(a, side, k);
        } else if (is_looked_after && !is_open(a, a->ladder[side][k].order))
            quote_anew(a, side, k);
    }
}

/* First the side that the value comes near, lest they trade with each other. */
static void make(ida_agents *a)
{
    int first = a->ladder[IDA_BUY][0].price + a->config.half_spread < a->middle ? IDA_SELL : IDA_BUY;
    a->turn++;
    keep_side(a, first);
    keep_side(a, !first);
}

/* ---- strays ------------------------------------------------------------------------------------------------- */

static int64_t gap_to(const ida_agents *a, const quote *q)
{
    return q->price < a->middle ? a->middle - q->price : q->price - a->middle;
}

static void forget_stray(ida_agents *a, size_t i) { a->strays[i] = a->strays[--a->stray_count]; }

static void cancel_far_stray(ida_agents *a)
{
    size_t far = 0;
    for (int i = 0; i < 16; i++) {
        size_t other = ida_chance_below(&a->whim, a->stray_count);
        if (i == 0 || gap_to(a, &a->strays[other]) > gap_to(a, &a->strays[far]))
            far = other;
    }
    cancel(a, a->strays[far].order);
    forget_stray(a, far);
}

static void place_stray(ida_agents *a, int side, int64_t price)
{
    if (a->stray_count == MOST_STRAYS)
        cancel_far_stray(a);
    uint64_t order = place(a, side, IDA_GTC, price, lots(a, ida_chance_pareto(&a->whim, 1.5, 100) / 3));
    if (order)
        a->strays[a->stray_count++] = (quote){order, price};
}

static void stray(ida_agents *a)
{
    int side = (int)ida_chance_below(&a->whim, 2);
    double steps = 96 * ida_chance_exponential(&a->whim);
    place_stray(a, side, away(side, a->middle, a->config.half_spread + (int64_t)(steps * (double)a->step)));
}

/* Any of those still open; the others are dropped on the way. Its index, or the count if there is none. */
static size_t find_stray(ida_agents *a)
{
    while (a->stray_count) {
        size_t i = ida_chance_below(&a->whim, a->stray_count);
        if (is_open(a, a->strays[i].order))
            return i;
        forget_stray(a, i);
    }
    return 0;
}

static void cancel_stray(ida_agents *a)
{
    size_t i = find_stray(a);
    if (i == a->stray_count)
        return;
    cancel(a, a->strays[i].order);
    forget_stray(a, i);
}

static void place_or_cancel(ida_agents *a)
{
    find_stray(a);
    if (ida_chance_below(&a->whim, 2 * USUAL_STRAYS) < a->stray_count)
        cancel_stray(a);
    else
        stray(a);
}

/* ---- takers ------------------------------------------------------------------------------------------------- */

static double within(double x, double most) { return x > most ? most : x < -most ? -most : x; }

static void take_side(ida_agents *a, int side, int64_t limit, double quantity)
{
    a->mood += 0.02 * ((side == IDA_BUY ? 1 : -1) - a->mood);
    place(a, side, IDA_IOC, limit, lots(a, quantity));
}

static void take(ida_agents *a)
{
    if (!a->top->bid_quantity || !a->top->ask_quantity)
        return;
    double quantity = ida_chance_pareto(&a->whim, 1.4, 400) / 4;
    int knows = ida_chance_below(&a->whim, 4) != 0;
    if (knows && a->top->ask < a->middle) {
        take_side(a, IDA_BUY, a->middle, 4 * quantity);
    } else if (knows && a->top->bid > a->middle) {
        take_side(a, IDA_SELL, a->middle, 4 * quantity);
    } else {
        double mid = 0.5 * (double)(a->top->bid + a->top->ask);
        double pull = within((a->value - mid) / (double)(4 * a->step), 1);
        int side = ida_chance_unit(&a->whim) < 0.5 + 0.2 * a->mood + 0.2 * pull ? IDA_BUY : IDA_SELL;
        int64_t best = side == IDA_BUY ? a->top->ask : a->top->bid;
        take_side(a, side, away(!side, best, 16 * a->step), quantity);
    }
}

/* ---- the book never runs dry -------------------------------------------------------------------------------- */

/* Beyond the value and beyond the other side, so that it stays. */
static int64_t refill_from(const ida_agents *a, int side)
{
    if (side == IDA_BUY)
        return a->top->ask_quantity && a->top->ask < a->middle ? a->top->ask : a->middle;
    return a->top->bid_quantity && a->top->bid > a->middle ? a->top->bid : a->middle;
}

static void refill(ida_agents *a, int side)
{
    if (ida_book_levels(a->book, side) >= LEAST_LEVELS)
        return;
    int64_t price = away(side, refill_from(a, side), a->config.half_spread);
    for (int i = 0; i < 4 * REFILLED_LEVELS && ida_book_levels(a->book, side) < REFILLED_LEVELS; i++) {
        place_stray(a, side, price);
        price = away(side, price, 1 + (int64_t)ida_chance_below(&a->whim, (uint64_t)a->step));
    }
}

/* ---- the value ---------------------------------------------------------------------------------------------- */

static const double VOLATILITY_S = 400, VOLATILITY_SPREAD = 0.25; /* how long it lasts; deviation of its logarithm */

static void move_volatility(ida_agents *a)
{
    double elapsed = (double)(a->now - a->volatility_ns) / 1e9;
    if (elapsed < 1)
        return;
    double kept = ida_exp(-elapsed / VOLATILITY_S), fresh = ida_power(1 - kept * kept, 0.5);
    a->log_volatility = kept * a->log_volatility + fresh * VOLATILITY_SPREAD * ida_chance_normal(&a->fate);
    double factor = ida_exp(a->log_volatility - VOLATILITY_SPREAD * VOLATILITY_SPREAD);
    a->deviation = factor * a->config.volatility / ida_power(SECONDS_A_DAY, 0.5);
    a->volatility_ns = a->now;
}

static void move_value(ida_agents *a)
{
    move_volatility(a);
    double scale = a->deviation * ida_power((double)(a->now - a->value_ns) / 1e9, 0.5);
    a->value_ns = a->now;
    a->value *= 1 + within(scale * ida_chance_normal(&a->fate), 0.5);
    if (a->value < a->low)
        a->value = a->low * a->low / a->value;
    if (a->value > a->high)
        a->value = a->high * a->high / a->value;
    a->middle = (int64_t)(a->value + 0.5);
}

/* ---- acting ------------------------------------------------------------------------------------------------- */

static int64_t waiting_time(ida_agents *a)
{
    double ns = 1e9 / a->config.events_per_s * ida_chance_exponential(&a->fate);
    return ns < 1 ? 1 : (int64_t)ns;
}

static void act(ida_agents *a)
{
    uint64_t who = ida_chance_below(&a->fate, 100);
    if (who < 40)
        make(a);
    else if (who < 75)
        place_or_cancel(a);
    else
        take(a);
    refill(a, IDA_BUY);
    refill(a, IDA_SELL);
}

static void move_to(ida_agents *a, int64_t now)
{
    if (now > a->now)
        a->now = now;
    a->touched = 0;
    a->status = IDA_OK;
}

static int is_diff_next(const ida_agents *a)
{
    int64_t due = ida_tape_due(a->tape);
    return due != IDA_NEVER_DUE && due <= a->action_ns;
}

int64_t ida_agents_next(const ida_agents *a) { return is_diff_next(a) ? ida_tape_due(a->tape) : a->action_ns; }

ida_status ida_agents_step(ida_agents *a)
{
    if (!ida_tape_has_room(a->tape))
        return IDA_FULL;
    int is_diff = is_diff_next(a);
    move_to(a, ida_agents_next(a));
    if (is_diff)
        return ida_tape_cut(a->tape, a->now);
    move_value(a);
    a->action_ns += waiting_time(a);
    act(a);
    ida_status status = ida_tape_publish(a->tape, a->now, a->touched);
    return status == IDA_OK ? a->status : status;
}

ida_status ida_agents_publish(ida_agents *a, int64_t now)
{
    int64_t at = now > a->now ? now : a->now;
    return ida_tape_publish(a->tape, at, 1);
}

const ida_record *ida_agents_peek(const ida_agents *a) { return ida_tape_peek(a->tape); }
void ida_agents_take(ida_agents *a) { ida_tape_take(a->tape); }

/* ---- making ------------------------------------------------------------------------------------------------- */

static int is_valid(const ida_agents_config *c, int64_t max_price)
{
    const int64_t hour = 3600000000000;
    if (c->start_ns < 0 || c->start_ns > INT64_MAX / 2 || c->start_price < 512 || c->start_price > max_price / 2)
        return 0;
    if (c->typical_quantity < 1 || c->typical_quantity > 1ll << 32)
        return 0;
    if (!(c->volatility >= 0 && c->volatility <= 10) || !(c->events_per_s >= 1e-6 && c->events_per_s <= 1e6))
        return 0;
    if (c->half_spread < 1 || c->half_spread > c->start_price / 64 || c->start_price > 1ll << 36)
        return 0;
    return c->depth_interval_ns >= 0 && c->depth_interval_ns <= hour && c->latency_ns >= 0 && c->latency_ns <= hour
        && c->latency_jitter_ns >= 0 && c->latency_jitter_ns <= hour;
}

/* Wide enough that the value crosses a few steps, not the whole ladder, from one action to the next. */
static int64_t suitable_step(const ida_agents_config *c)
{
    double move = (double)c->start_price * c->volatility * ida_power(1 / (SECONDS_A_DAY * c->events_per_s), 0.5);
    int64_t step = move / 4 > (double)(c->start_price / 512) ? c->start_price / 512 : (int64_t)(move / 4);
    return step > c->half_spread ? step : c->half_spread;
}

static void set_up(ida_agents *a, int64_t max_price)
{
    const ida_agents_config *c = &a->config;
    a->value = (double)c->start_price;
    a->low = a->value / 8;
    a->high = a->value * 8 < 0.75 * (double)max_price ? a->value * 8 : 0.75 * (double)max_price;
    a->middle = c->start_price;
    a->deviation = c->volatility / ida_power(SECONDS_A_DAY, 0.5);
    a->now = a->action_ns = a->value_ns = a->volatility_ns = c->start_ns;
    a->step = suitable_step(c);
    for (int k = 0; k < LADDER; k++) {
        a->distance[k] = c->half_spread + a->step * (8 * k + k * k) / 8;
        a->weight[k] = (1 + k) * ida_exp(-k / 8.0);
    }
    ida_chance_seed(&a->fate, c->seed, 1);
    ida_chance_seed(&a->whim, c->seed, 2);
}

static ida_status open_market(ida_agents *a)
{
    for (int k = 0; k < LADDER; k++)
        for (int side = 0; side < 2; side++)
            quote_anew(a, side, k);
    while (a->status == IDA_OK && a->stray_count < USUAL_STRAYS)
        stray(a);
    a->action_ns += waiting_time(a);
    return a->status == IDA_OK ? ida_tape_snapshot(a->tape, a->now) : a->status;
}

ida_agents *ida_agents_new(const ida_agents_config *config, ida_match *match, uint32_t instrument)
{
    int64_t max_price = ida_match_max_price(match);
    if (!is_valid(config, max_price))
        return NULL;
    ida_agents *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->config = *config;
    a->match = match;
    a->book = ida_match_own(match);
    a->top = ida_book_top(a->book);
    a->tape = ida_tape_new(config, match, instrument);
    set_up(a, max_price);
    if (a->tape && open_market(a) == IDA_OK)
        return a;
    ida_agents_free(a);
    return NULL;
}

void ida_agents_free(ida_agents *a)
{
    if (!a)
        return;
    ida_tape_free(a->tape);
    free(a);
}
