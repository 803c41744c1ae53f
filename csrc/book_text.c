#include "book_text.h"

/* steps x step x 10^-decimals and one more byte; NULL when it does not fit in int64. */
static char *put_number(char *p, int64_t steps, int64_t step, int32_t decimals, char after)
{
    int64_t value;
    if (__builtin_mul_overflow(steps, step, &value))
        return NULL;
    p += ida_decimal_format(value, decimals, p, 40);
    *p++ = after;
    return p;
}

ida_status ida_book_text(const ida_book *book, const ida_grid *grid, char *out, size_t capacity, size_t *length)
{
    char *p = out;
    for (int side = IDA_BUY; side <= IDA_SELL; side++) {
        int64_t price = ida_book_next(book, side, IDA_FROM_BEST);
        for (; price >= 0; price = ida_book_next(book, side, price)) {
            if (capacity - (size_t)(p - out) < IDA_BOOK_LINE)
                return IDA_FULL;
            *p++ = side == IDA_BUY ? 'b' : 'a';
            *p++ = ' ';
            p = put_number(p, price, grid->tick, grid->price_decimals, ' ');
            if (p)
                p = put_number(p, ida_book_quantity(book, side, price), grid->lot, grid->quantity_decimals, '\n');
            if (!p)
                return IDA_RANGE;
        }
    }
    *length = (size_t)(p - out);
    return IDA_OK;
}
