#include "orders.h"

#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "pool.h"

typedef struct ages {
    ida_order *oldest, *youngest;
} ages;

/* Changed prices in order of their first change. One that is empty stays until its change has been read. */
typedef struct changes {
    ida_price *first, *last;
} changes;

struct ida_orders {
    ida_pool *orders, *prices;
    ida_map *by_id, *by_price;
    ida_book *book;
    ages ages[2];
    changes changes[2];
    uint64_t age;
    size_t count, most;
    uint32_t split;
    int track;
};

enum { PAGE_TICKS = 512 };

static uint64_t price_key(int side, int64_t price)
{
    return (uint64_t)price << 1 | (uint64_t)side;
}

/* ---- making ------------------------------------------------------------------------------------------------ */

ida_orders *ida_orders_new(size_t most, int64_t max_price, uint32_t split, int track)
{
    if (!most || most > SIZE_MAX / 4096 || max_price <= 0)
        return NULL;
    ida_orders *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    size_t pages = ((size_t)max_price / PAGE_TICKS + 1) * 2;
    /* Twice: as many prices again may be empty, waiting for their change to be read. */
    size_t prices = 2 * most + 2;
    o->most = most;
    o->split = split;
    o->track = track;
    o->orders = ida_pool_new(most, sizeof(ida_order));
    o->prices = ida_pool_new(prices, sizeof(ida_price));
    o->by_id = ida_map_new(most);
    o->by_price = ida_map_new(prices);
    o->book = ida_book_new(pages < most ? pages : most, max_price);
    if (o->orders && o->prices && o->by_id && o->by_price && o->book)
        return o;
    ida_orders_free(o);
    return NULL;
}

void ida_orders_free(ida_orders *o)
{
    if (!o)
        return;
    ida_pool_free(o->orders);
    ida_pool_free(o->prices);
    ida_map_free(o->by_id);
    ida_map_free(o->by_price);
    ida_book_free(o->book);
    free(o);
}

/* ---- prices ------------------------------------------------------------------------------------------------ */

static void unlink_change(ida_orders *o, ida_price *p)
{
    changes *c = &o->changes[p->side];
    *(p->previous_changed ? &p->previous_changed->next_changed : &c->first) = p->next_changed;
    *(p->next_changed ? &p->next_changed->previous_changed : &c->last) = p->previous_changed;
    p->is_changed = 0;
}

static void forget_price(ida_orders *o, ida_price *p)
{
    if (p->is_changed)
        unlink_change(o, p);
    ida_map_remove(o->by_price, price_key(p->side, p->price));
    ida_pool_give(o->prices, p);
}

static void note_change(ida_orders *o, ida_price *p)
{
    changes *c = &o->changes[p->side];
    if (!o->track || p->is_changed)
        return;
    p->is_changed = 1;
    p->next_changed = NULL;
    p->previous_changed = c->last;
    *(c->last ? &c->last->next_changed : &c->first) = p;
    c->last = p;
}

/* Nobody reads the changes: the oldest empty price makes room. There is one, for there are more than orders. */
static void forget_oldest_empty(ida_orders *o)
{
    for (int side = 0; side < 2; side++)
        for (ida_price *p = o->changes[side].first; p; p = p->next_changed)
            if (!p->oldest) {
                forget_price(o, p);
                return;
            }
}

static ida_price *add_price(ida_orders *o, int side, int64_t price)
{
    if (!ida_pool_available(o->prices))
        forget_oldest_empty(o);
    ida_price *p = ida_pool_take(o->prices);
    memset(p, 0, sizeof *p);
    p->side = side;
    p->price = price;
    ida_map_put(o->by_price, price_key(side, price), p);
    return p;
}

static void add_lots(ida_orders *o, ida_price *p, int64_t lots)
{
    p->quantity += lots;
    ida_book_set(o->book, p->side, p->price, p->quantity, NULL);
    note_change(o, p);
}

ida_price *ida_orders_at(const ida_orders *o, int side, int64_t price)
{
    ida_price *p = ida_map_get(o->by_price, price_key(side, price));
    return p && p->oldest ? p : NULL;
}

size_t ida_orders_changes(ida_orders *o, int side, ida_level *levels, size_t most)
{
    size_t n = 0;
    for (ida_price *p; n < most && (p = o->changes[side].first); n++) {
        levels[n].price = p->price;
        levels[n].quantity = p->quantity;
        unlink_change(o, p);
        if (!p->oldest)
            forget_price(o, p);
    }
    return n;
}

/* ---- orders ------------------------------------------------------------------------------------------------ */

static ages *ages_of(ida_orders *o, uint32_t account)
{
    return &o->ages[account >= o->split];
}

ida_order *ida_orders_add(ida_orders *o, uint64_t order_id, uint32_t account)
{
    ida_order *order = ida_pool_take(o->orders);
    if (!order)
        return NULL;
    memset(order, 0, sizeof *order);
    order->order_id = order_id;
    order->account = account;
    order->age = ++o->age;
    ages *a = ages_of(o, account);
    order->older = a->youngest;
    *(a->youngest ? &a->youngest->younger : &a->oldest) = order;
    a->youngest = order;
    ida_map_put(o->by_id, order_id, order);
    o->count++;
    return order;
}

static void join_queue(ida_price *p, ida_order *order)
{
    order->later = NULL;
    order->earlier = p->youngest;
    *(p->youngest ? &p->youngest->later : &p->oldest) = order;
    p->youngest = order;
}

static void leave_queue(ida_price *p, ida_order *order)
{
    *(order->earlier ? &order->earlier->later : &p->oldest) = order->later;
    *(order->later ? &order->later->earlier : &p->youngest) = order->earlier;
}

static int64_t next_part(const ida_order *order)
{
    return order->iceberg && order->iceberg < order->leaves ? order->iceberg : order->leaves;
}

int ida_orders_rest(ida_orders *o, ida_order *order)
{
    ida_price *p = ida_map_get(o->by_price, price_key(order->side, order->price));
    if (!p)
        p = add_price(o, order->side, order->price);
    int is_first = !p->oldest;
    order->place = p;
    join_queue(p, order);
    order->shown = next_part(order);
    add_lots(o, p, order->shown);
    return is_first;
}

static void hide(ida_orders *o, ida_order *order, int64_t lots)
{
    order->shown -= lots;
    add_lots(o, order->place, -lots);
}

void ida_orders_reduce(ida_orders *o, ida_order *order, int64_t lots)
{
    order->leaves -= lots;
    if (order->place)
        hide(o, order, lots < order->shown ? lots : order->shown);
}

void ida_orders_cut(ida_orders *o, ida_order *order, int64_t lots)
{
    order->leaves -= lots;
    if (order->place && order->shown > order->leaves)
        hide(o, order, order->shown - order->leaves);
}

int ida_orders_refill(ida_orders *o, ida_order *order)
{
    ida_price *p = order->place;
    if (!p || order->shown || !order->leaves)
        return 0;
    leave_queue(p, order);
    join_queue(p, order);
    order->shown = next_part(order);
    add_lots(o, p, order->shown);
    return 1;
}

static int leave_place(ida_orders *o, ida_order *order)
{
    ida_price *p = order->place;
    if (order->shown)
        add_lots(o, p, -order->shown);
    leave_queue(p, order);
    if (p->oldest)
        return 0;
    if (!p->is_changed)
        forget_price(o, p);
    return 1;
}

int ida_orders_remove(ida_orders *o, ida_order *order)
{
    int was_last = order->place ? leave_place(o, order) : 0;
    ages *a = ages_of(o, order->account);
    *(order->older ? &order->older->younger : &a->oldest) = order->younger;
    *(order->younger ? &order->younger->older : &a->youngest) = order->older;
    ida_map_remove(o->by_id, order->order_id);
    ida_pool_give(o->orders, order);
    o->count--;
    return was_last;
}

size_t ida_orders_count(const ida_orders *o) { return o->count; }

const ida_book *ida_orders_book(const ida_orders *o) { return o->book; }

ida_order *ida_orders_find(const ida_orders *o, uint64_t order_id) { return ida_map_get(o->by_id, order_id); }

ida_order *ida_orders_oldest(const ida_orders *o, uint32_t account)
{
    return o->ages[account >= o->split].oldest;
}
