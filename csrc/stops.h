/* stops.h - orders that wait for the last price to reach their stop price: two heaps; and trailing ones that follow
 * it: a list, of which each price looks at all. Nothing allocates after ida_stops_new. One thread. */
#ifndef IDA_STOPS_H
#define IDA_STOPS_H
#include "orders.h"

typedef struct ida_stops ida_stops;
/* NULL if most is 0 or memory is short. */
ida_stops *ida_stops_new(size_t most);
void ida_stops_free(ida_stops *s);
size_t ida_stops_count(const ida_stops *s);
/* rising: it waits for a price at or above its stop price, else for one at or below. A trailing one begins to follow
 * there, and without a stop price with the next price. At most `most` at once. */
void ida_stops_add(ida_stops *s, ida_order *order, int rising);
/* The order must be here. */
void ida_stops_remove(ida_stops *s, ida_order *order);
/* Takes out one that `price` reaches: the first that a price moving there would have met, the older of two at the
 * same stop price; rising ones before falling ones, then those that follow, in the order in which they began to. NULL
 * when there is none. A buy that follows is reached at `trailing` basis points above the lowest price since it began,
 * a sell below the highest. */
ida_order *ida_stops_pop(ida_stops *s, int64_t price);
/* Lots of both sides that `price` would set free (at most INT64_MAX each). */
void ida_stops_reached(const ida_stops *s, int64_t price, int64_t lots[2]);

#endif
