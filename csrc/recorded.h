/* recorded.h - what a recorded book still offers: its levels less what we took of them. What was taken stays
 * taken until the recording shows a smaller level: so liquidity comes back only as the recording adds some.
 * Nothing allocates after ida_recorded_new. One thread. */
#ifndef IDA_RECORDED_H
#define IDA_RECORDED_H
#include "book.h"

typedef struct ida_recorded ida_recorded;
/* outside: the recorded book, not owned. max_price: its highest tick. NULL if memory is short. */
ida_recorded *ida_recorded_new(ida_book *outside, int64_t max_price);
void ida_recorded_free(ida_recorded *r);
int64_t ida_recorded_available(const ida_recorded *r, int side, int64_t price);
int64_t ida_recorded_taken(const ida_recorded *r, int side, int64_t price);
/* The next price strictly worse than `price` (or the best one: IDA_FROM_BEST) where something is available;
 * -1 when there is none. */
int64_t ida_recorded_next(const ida_recorded *r, int side, int64_t price);
/* lots: at most what is available there. IDA_FULL, IDA_RANGE: it can't be noted, so it must not be taken. */
ida_status ida_recorded_take(ida_recorded *r, int side, int64_t price, int64_t lots);
/* The book has been changed by this diff or snapshot. */
void ida_recorded_follow(ida_recorded *r, const ida_depth *depth);

#endif
