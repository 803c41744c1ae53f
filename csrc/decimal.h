/* decimal.h - decimal text to whole numbers and back, digit by digit, no float in between. */
#ifndef IDA_DECIMAL_H
#define IDA_DECIMAL_H
#include "status.h"

/* The grid of an instrument: tick size = tick x 10^-price_decimals, lot size = lot x 10^-quantity_decimals.
 * tick and lot are at least 1; decimals 0..18. */
typedef struct ida_grid {
    int32_t price_decimals;
    int32_t quantity_decimals;
    int64_t tick;
    int64_t lot;
} ida_grid;

/* Text such as "61800.20", "-0.5", "0.00000001" as a whole number of 10^-decimals. No exponent, no spaces, no
 * leading '+', at least one digit before a point and one after it.
 * IDA_BAD: not such text. IDA_OFF_GRID: digits other than 0 beyond `decimals`. IDA_RANGE: more than int64 holds. */
ida_status ida_decimal_parse(const char *text, size_t length, int32_t decimals, int64_t *out);
/* The same in whole steps of `step` x 10^-decimals. IDA_OFF_GRID: between two steps. */
ida_status ida_decimal_steps(const char *text, size_t length, int32_t decimals, int64_t step, int64_t *out);
/* Digits after the point, trailing zeros included; -1 if the text is not a decimal. */
int32_t ida_decimal_places(const char *text, size_t length);
/* Plain decimal text of value x 10^-decimals without trailing zeros ("28.5", "0", "-0.001"); returns its length,
 * 0 if `capacity` is short. No NUL is written. 40 bytes are always enough. */
size_t ida_decimal_format(int64_t value, int32_t decimals, char *out, size_t capacity);
/* Greatest common divisor, never negative; of 0 and a: |a|. */
int64_t ida_gcd(int64_t a, int64_t b);

#endif
