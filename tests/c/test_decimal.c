/* needs: decimal */
/* Every short text over a small alphabet, read from memory of exactly its length; and there and back. */
#include "decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(claim) \
    do { \
        if (!(claim)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #claim); \
            exit(1); \
        } \
    } while (0)

static ida_status parse(const char *text, size_t length, int32_t decimals, int64_t *out)
{
    char *copy = malloc(length ? length : 1);
    CHECK(copy);
    memcpy(copy, text, length);
    ida_status status = ida_decimal_parse(copy, length, decimals, out);
    CHECK((status == IDA_BAD) == (ida_decimal_places(copy, length) < 0));
    free(copy);
    return status;
}

/* The grammar once more, as a machine of four states. */
static int is_decimal(const char *text, size_t length)
{
    enum { START, WHOLE, POINT, FRACTION } state = START;
    for (size_t i = length && text[0] == '-'; i < length; i++) {
        if (text[i] >= '0' && text[i] <= '9')
            state = state == START ? WHOLE : state == POINT ? FRACTION : state;
        else if (text[i] == '.' && state == WHOLE)
            state = POINT;
        else
            return 0;
    }
    return state == WHOLE || state == FRACTION;
}

static void test_all_short_texts(void)
{
    static const char alphabet[] = "019.-e";
    char text[6];
    int64_t value;
    for (size_t length = 0; length <= sizeof text; length++) {
        long combinations = 1;
        for (size_t i = 0; i < length; i++)
            combinations *= 6;
        for (long n = 0; n < combinations; n++) {
            long rest = n;
            for (size_t i = 0; i < length; i++, rest /= 6)
                text[i] = alphabet[rest % 6];
            CHECK((parse(text, length, 18, &value) != IDA_BAD) == is_decimal(text, length));
        }
    }
}

static void test_there_and_back(void)
{
    static const int64_t values[] = {0, 1, -1, 9, 10, -100, 123456789, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    char text[40];
    int64_t value;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (int32_t decimals = 0; decimals <= 18; decimals++) {
            size_t length = ida_decimal_format(values[i], decimals, text, sizeof text);
            CHECK(length > 0);
            CHECK(parse(text, length, decimals, &value) == IDA_OK && value == values[i]);
            CHECK(ida_decimal_format(values[i], decimals, text, length - 1) == 0);
        }
}

static void test_edges(void)
{
    int64_t value = 0;
    CHECK(parse("9223372036854775807", 19, 0, &value) == IDA_OK && value == INT64_MAX);
    CHECK(parse("9223372036854775808", 19, 0, &value) == IDA_RANGE);
    CHECK(parse("-9223372036854775808", 20, 0, &value) == IDA_OK && value == INT64_MIN);
    CHECK(parse("99999999999999999999999", 23, 18, &value) == IDA_RANGE);
    CHECK(parse("0.01", 4, 1, &value) == IDA_OFF_GRID && value == INT64_MIN);
    CHECK(ida_decimal_steps("10.25", 5, 2, 25, &value) == IDA_OK && value == 41);
    CHECK(ida_decimal_steps("10.26", 5, 2, 25, &value) == IDA_OFF_GRID && value == 41);
    CHECK(ida_gcd(12, -18) == 6 && ida_gcd(0, 7) == 7 && ida_gcd(0, 0) == 0);
    CHECK(ida_gcd(INT64_MIN, 0) == INT64_MAX && ida_gcd(INT64_MIN, 6) == 2);
}

int main(void)
{
    test_all_short_texts();
    test_there_and_back();
    test_edges();
    return 0;
}
