/* book_text.h - the whole book as text: what the hash of a book is taken of. */
#ifndef IDA_BOOK_TEXT_H
#define IDA_BOOK_TEXT_H
#include "book.h"
#include "decimal.h"

/* No line is longer than this. */
enum { IDA_BOOK_LINE = 84 };

/* A line "b PRICE QUANTITY\n" for each bid, best first, then "a PRICE QUANTITY\n" for each ask, best first; plain
 * decimals on the grid, without trailing zeros. IDA_FULL: capacity is short. IDA_RANGE: a price or quantity in
 * units of 10^-decimals is more than int64 holds. *length gets the bytes written. */
ida_status ida_book_text(const ida_book *book, const ida_grid *grid, char *out, size_t capacity, size_t *length);

#endif
