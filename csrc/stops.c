#include "stops.h"

#include <stdlib.h>

enum { BASIS_POINTS = 10000 };

typedef struct heap {
    ida_order **slots; /* 1-based */
    size_t count;
    int rising;
} heap;

struct ida_stops {
    heap heaps[2]; /* falling, rising */
    ida_order *first, *last; /* that follow, linked by `earlier` and `later` */
    size_t followers;
};

static int comes_before(const heap *h, const ida_order *a, const ida_order *b)
{
    if (a->stop_price != b->stop_price)
        return h->rising ? a->stop_price < b->stop_price : a->stop_price > b->stop_price;
    return a->age < b->age;
}

static int is_reached(const heap *h, const ida_order *order, int64_t price)
{
    return h->rising ? price >= order->stop_price : price <= order->stop_price;
}

static void put(heap *h, size_t at, ida_order *order)
{
    h->slots[at] = order;
    order->heap_index = at;
}

static size_t rise(heap *h, size_t at, ida_order *order)
{
    for (; at > 1 && comes_before(h, order, h->slots[at / 2]); at /= 2)
        put(h, at, h->slots[at / 2]);
    put(h, at, order);
    return at;
}

static void sink(heap *h, size_t at, ida_order *order)
{
    for (size_t child; (child = at * 2) <= h->count; at = child) {
        if (child < h->count && comes_before(h, h->slots[child + 1], h->slots[child]))
            child++;
        if (!comes_before(h, h->slots[child], order))
            break;
        put(h, at, h->slots[child]);
    }
    put(h, at, order);
}

static void take_out(heap *h, ida_order *order)
{
    size_t at = order->heap_index;
    ida_order *last = h->slots[h->count--];
    order->heap_index = 0;
    if (last != order && rise(h, at, last) == at)
        sink(h, at, last);
}

/* ---- following ---------------------------------------------------------------------------------------------- */

static void follow(ida_stops *s, ida_order *order, int64_t price)
{
    order->follows = 1;
    order->extreme = price;
    order->later = NULL;
    order->earlier = s->last;
    *(s->last ? &s->last->later : &s->first) = order;
    s->last = order;
    s->followers++;
}

static void let_go(ida_stops *s, ida_order *order)
{
    *(order->earlier ? &order->earlier->later : &s->first) = order->later;
    *(order->later ? &order->later->earlier : &s->last) = order->earlier;
    order->earlier = order->later = NULL;
    order->follows = 0;
    s->followers--;
}

/* Whole ticks, at least 1, that are `trailing` basis points of its extreme. */
static int64_t way(const ida_order *order)
{
    int64_t whole = order->extreme / BASIS_POINTS, rest = order->extreme % BASIS_POINTS, bips = order->trailing;
    int64_t ticks = whole * bips + (rest * bips + BASIS_POINTS - 1) / BASIS_POINTS;
    return ticks > 0 ? ticks : 1;
}

static int has_turned(const ida_order *order, int64_t price)
{
    if (order->extreme < 0)
        return 0;
    return order->side == IDA_BUY ? price - order->extreme >= way(order) : order->extreme - price >= way(order);
}

static ida_order *pop_follower(ida_stops *s, int64_t price)
{
    for (ida_order *o = s->first; o; o = o->later) {
        if (has_turned(o, price)) {
            let_go(s, o);
            return o;
        }
        if (o->extreme < 0 || (o->side == IDA_BUY ? price < o->extreme : price > o->extreme))
            o->extreme = price;
    }
    return NULL;
}

ida_stops *ida_stops_new(size_t most)
{
    if (!most || most > SIZE_MAX / 64)
        return NULL;
    ida_stops *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    for (int rising = 0; rising < 2; rising++) {
        s->heaps[rising].rising = rising;
        s->heaps[rising].slots = calloc(most + 1, sizeof(ida_order *));
    }
    if (s->heaps[0].slots && s->heaps[1].slots)
        return s;
    ida_stops_free(s);
    return NULL;
}

void ida_stops_free(ida_stops *s)
{
    if (!s)
        return;
    free(s->heaps[0].slots);
    free(s->heaps[1].slots);
    free(s);
}

size_t ida_stops_count(const ida_stops *s) { return s->heaps[0].count + s->heaps[1].count + s->followers; }

void ida_stops_add(ida_stops *s, ida_order *order, int rising)
{
    heap *h = &s->heaps[rising];
    if (order->trailing && !order->stop_price)
        follow(s, order, -1);
    else
        rise(h, ++h->count, order);
}

void ida_stops_remove(ida_stops *s, ida_order *order)
{
    if (order->follows) {
        let_go(s, order);
        return;
    }
    int rising = order->heap_index <= s->heaps[1].count && s->heaps[1].slots[order->heap_index] == order;
    take_out(&s->heaps[rising], order);
}

ida_order *ida_stops_pop(ida_stops *s, int64_t price)
{
    for (int rising = 1; rising >= 0; rising--) {
        heap *h = &s->heaps[rising];
        while (h->count && is_reached(h, h->slots[1], price)) {
            ida_order *order = h->slots[1];
            take_out(h, order);
            if (!order->trailing)
                return order;
            follow(s, order, price);
        }
    }
    return s->first ? pop_follower(s, price) : NULL;
}

static void add_lots(int64_t *sum, const ida_order *order)
{
    if (__builtin_add_overflow(*sum, order->leaves, sum))
        *sum = INT64_MAX;
}

void ida_stops_reached(const ida_stops *s, int64_t price, int64_t lots[2])
{
    lots[0] = lots[1] = 0;
    for (const ida_order *o = s->first; o; o = o->later)
        if (has_turned(o, price))
            add_lots(&lots[o->side], o);
    for (int rising = 0; rising < 2; rising++) {
        const heap *h = &s->heaps[rising];
        for (size_t i = 1; i <= h->count; i++) {
            if (is_reached(h, h->slots[i], price))
                add_lots(&lots[h->slots[i]->side], h->slots[i]);
        }
    }
}
