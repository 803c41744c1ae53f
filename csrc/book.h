/* book.h - an L2 book as a paged ladder (decision D13): quantities by tick in pages of 512 ticks taken from a
 * pool when first touched, an occupancy bitmap per page and one over the pages. Best and next-best are a few
 * bit scans; no level ever moves. One thread. Nothing allocates after ida_book_new. */
#ifndef IDA_BOOK_H
#define IDA_BOOK_H
#include "record.h"

enum ida_side { IDA_BUY = 0, IDA_SELL = 1 }; /* bids are side BUY, asks side SELL */

/* What everyone reads: kept up to date by every call that changes the book. An empty side has quantity 0 and
 * price -1 (bid) or INT64_MAX (ask). */
typedef struct ida_top {
    int64_t bid;
    int64_t bid_quantity;
    int64_t ask;
    int64_t ask_quantity;
} ida_top;

/* Where the book is complete: bids at or above `bid`, asks at or below `ask`. Beyond, levels that a diff has told of
 * are in the book, but others may exist that it has not: what the book does not show there is unknown, not empty.
 * A whole side reaches to INT64_MIN or INT64_MAX; {INT64_MAX, INT64_MIN}: nothing is known. */
typedef struct ida_known {
    int64_t bid;
    int64_t ask;
} ida_known;

typedef struct ida_book ida_book;
/* pages: how many 512-tick pages the two sides share; 16384 (64 MiB of address space, touched as used, by 2 MiB
 * where the system has huge pages) holds 5,000 scattered levels a side with room to spare. max_price: the highest tick that can be stored (a directory
 * of max_price/512 entries). NULL if memory is short or an argument is 0. */
ida_book *ida_book_new(size_t pages, int64_t max_price);
void ida_book_free(ida_book *book);
void ida_book_clear(ida_book *book);
/* The pointer stays valid as long as the book. */
const ida_top *ida_book_top(const ida_book *book);
/* A new book is whole, as is one that was cleared; a snapshot sets what is known as its flags and levels tell (see
 * IDA_FLAG_WHOLE). The pointer stays valid as long as the book. */
const ida_known *ida_book_known(const ida_book *book);
void ida_book_set_known(ida_book *book, ida_known known);
/* Sets the absolute quantity at a price; 0 removes. *previous (may be NULL) gets the former quantity.
 * IDA_RANGE: price below 0 or above max_price, or a negative quantity. IDA_FULL: no page left. */
ida_status ida_book_set(ida_book *book, int side, int64_t price, int64_t quantity, int64_t *previous);
/* All levels of a diff; of a snapshot after clearing. On IDA_RANGE and IDA_FULL the levels before the bad one
 * are applied: the caller throws the book away. A snapshot that lists one price twice keeps the last. */
ida_status ida_book_apply(ida_book *book, const ida_depth *depth);
int64_t ida_book_quantity(const ida_book *book, int side, int64_t price);
size_t ida_book_levels(const ida_book *book, int side);
/* Up to `most` levels, best first; how many. */
size_t ida_book_top_n(const ida_book *book, int side, ida_level *levels, size_t most);
/* The next occupied price strictly worse than `price`; the best one if price is IDA_FROM_BEST.
 * -1 when there is none. */
enum { IDA_FROM_BEST = -2 };
int64_t ida_book_next(const ida_book *book, int side, int64_t price);
/* Walks from the best until `quantity` lots are found. Returns the lots found (less if the book ends), the last
 * price touched, and the notional in ticks x lots (as high and low 64-bit halves of an exact 128-bit sum). */
int64_t ida_book_walk(const ida_book *book, int side, int64_t quantity, int64_t *worst_price,
                      int64_t *notional_high, uint64_t *notional_low);
/* Lots resting from the best down to `price`, inclusive. */
int64_t ida_book_quantity_to(const ida_book *book, int side, int64_t price);
/* Whether all that rests from the best down to `price` is known. */
int ida_book_reaches(const ida_book *book, int side, int64_t price);
/* Lots on the best `levels`, all there are if the side has fewer, at most INT64_MAX; -1 where that reaches beyond what is known. */
int64_t ida_book_quantity_of(const ida_book *book, int side, size_t levels);
/* Lots at most `bps` / 10,000 of the mid away from it; -1 without a mid, for a negative distance, and where that
 * reaches beyond what is known. */
int64_t ida_book_quantity_within(const ida_book *book, int side, double bps);

#endif
