/* taker.h - inside the matching engine (match.h): how an order takes what is there - our earlier orders and what a
 * recording still offers, best price first - and what becomes of the rest. */
#ifndef IDA_TAKER_H
#define IDA_TAKER_H
#include "fill.h"

/* The better of two prices of a side for those who take from it; -1 stands for none. */
int64_t ida_taker_better(int side, int64_t a, int64_t b);
/* An accepted or triggered order trades, then rests or ends. */
void ida_taker_start(ida_match *m, ida_order *o);
/* Whether it would trade at once. */
int ida_taker_would_take(const ida_match *m, const ida_order *o);
/* Recorded levels that a taker of so many lots, or of such a notional, could touch at most. */
size_t ida_taker_levels(const ida_match *m, int side, int64_t limit, int64_t lots, int64_t notional);

#endif
