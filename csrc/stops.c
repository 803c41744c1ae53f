#include "stops.h"

#include <stdlib.h>

typedef struct heap {
    ida_order **slots; /* 1-based */
    size_t count;
    int rising;
} heap;

struct ida_stops {
    heap heaps[2]; /* falling, rising */
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

size_t ida_stops_count(const ida_stops *s) { return s->heaps[0].count + s->heaps[1].count; }

void ida_stops_add(ida_stops *s, ida_order *order, int rising)
{
    heap *h = &s->heaps[rising];
    rise(h, ++h->count, order);
}

void ida_stops_remove(ida_stops *s, ida_order *order)
{
    int rising = order->heap_index <= s->heaps[1].count && s->heaps[1].slots[order->heap_index] == order;
    take_out(&s->heaps[rising], order);
}

ida_order *ida_stops_pop(ida_stops *s, int64_t price)
{
    for (int rising = 1; rising >= 0; rising--) {
        heap *h = &s->heaps[rising];
        if (h->count && is_reached(h, h->slots[1], price)) {
            ida_order *order = h->slots[1];
            take_out(h, order);
            return order;
        }
    }
    return NULL;
}

void ida_stops_reached(const ida_stops *s, int64_t price, int64_t lots[2])
{
    lots[0] = lots[1] = 0;
    for (int rising = 0; rising < 2; rising++) {
        const heap *h = &s->heaps[rising];
        for (size_t i = 1; i <= h->count; i++) {
            int64_t *sum = &lots[h->slots[i]->side];
            if (is_reached(h, h->slots[i], price) && __builtin_add_overflow(*sum, h->slots[i]->leaves, sum))
                *sum = INT64_MAX;
        }
    }
}
