/* orders.h - the open orders of one instrument: by id, by age, and those that rest by price and time, with the L2
 * book they add up to. It keeps them; match.h decides. Nothing allocates after ida_orders_new. One thread. */
#ifndef IDA_ORDERS_H
#define IDA_ORDERS_H
#include "ahead.h"
#include "book.h"

typedef struct ida_order {
    uint64_t order_id;
    uint64_t age;        /* 1, 2, ... in order of placement */
    uint32_t account;
    uint8_t side, type, tif, stp, status;
    uint8_t by_notional; /* MARKET that spends `notional` */
    uint8_t reduce_only;
    uint8_t peg, peg_offset;
    uint8_t is_elected;  /* a stop that was set free and is not yet started */
    uint8_t follows;     /* a trailing stop that follows the last price */
    int32_t trailing;    /* basis points; 0: it does not trail */
    int64_t price;
    int64_t stop_price;
    int64_t quantity;    /* as it stands after amendments */
    int64_t filled;
    int64_t leaves;
    int64_t iceberg;     /* lots it shows at a time; 0: all */
    size_t parts;        /* that an iceberg is shown in at most */
    int64_t shown;       /* of leaves, while it rests: those in the queue; 0 between two parts of an iceberg */
    int64_t extreme;     /* of a trailing stop that follows: the best price since it began; below 0: none yet */
    int64_t notional;    /* still to be spent */
    int64_t reducible;   /* of reduce_only: lots of its account's position that it could still close; below 0: none */
    ida_ahead ahead;
    struct ida_order *earlier, *later;  /* at its price, while it rests; else free for its keeper */
    struct ida_order *older, *younger;  /* all, in order of placement */
    struct ida_order *pair;             /* the other one of two, of which only one may be filled; or NULL */
    struct ida_price *place;            /* NULL: it does not rest */
    size_t heap_index;                  /* 1-based place among the stops; 0: not one of them */
} ida_order;

/* The orders that rest at one price of one side, oldest first. */
typedef struct ida_price {
    int64_t price;
    int64_t quantity; /* lots, what all of them together show */
    int64_t recorded; /* the recorded level's lots as last shown; the matching engine's to use */
    ida_order *oldest, *youngest;
    struct ida_price *next_changed, *previous_changed;
    int side;
    int is_changed;
} ida_price;

typedef struct ida_orders ida_orders;
/* most: how many can be open at once. split: orders of accounts below and from it on are listed apart by age.
 * track: keep the changed prices for ida_orders_changes. NULL if memory is short or an argument is 0. */
ida_orders *ida_orders_new(size_t most, int64_t max_price, uint32_t split, int track);
void ida_orders_free(ida_orders *o);
size_t ida_orders_count(const ida_orders *o);
/* The displayed liquidity, aggregated by price. */
const ida_book *ida_orders_book(const ida_orders *o);
/* A new open order that does not rest, zeroed but for id, account and age; NULL when all are in use. */
ida_order *ida_orders_add(ida_orders *o, uint64_t order_id, uint32_t account);
ida_order *ida_orders_find(const ida_orders *o, uint64_t order_id);
/* At the end of the queue of its side and price (0 .. max_price). Returns 1 if no order was there before. */
int ida_orders_rest(ida_orders *o, ida_order *order);
/* Takes lots off its leaves, at its place: those it shows first. */
void ida_orders_reduce(ida_orders *o, ida_order *order, int64_t lots);
/* Takes lots off its leaves, at its place: those it does not show first. */
void ida_orders_cut(ida_orders *o, ida_order *order, int64_t lots);
/* An iceberg whose shown part is used up shows the next one, at the end of the queue. Returns 0 where there is nothing
 * to do. */
int ida_orders_refill(ida_orders *o, ida_order *order);
/* It has ended; it is gone when this returns. Returns 1 if it was the last one of its price. */
int ida_orders_remove(ida_orders *o, ida_order *order);
/* NULL if no order rests there. */
ida_price *ida_orders_at(const ida_orders *o, int side, int64_t price);
/* The oldest open order on the account's side of the split; go on by `younger`. */
ida_order *ida_orders_oldest(const ida_orders *o, uint32_t account);
/* Prices of a side that changed since they were last handed out, each once with its present quantity, in order of
 * their first change; at most `most`, how many. What nobody reads is kept for as many prices as orders can be
 * open, and forgotten from the oldest on beyond that. */
size_t ida_orders_changes(ida_orders *o, int side, ida_level *levels, size_t most);

#endif
