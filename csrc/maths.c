#include "maths.h"

#include <string.h>

static const double ln_2_high = 0x1.62e42feep-1, ln_2_low = 0x1.a39ef35793c76p-33;

double ida_ln(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int64_t exponent = (int64_t)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        exponent++;
    }
    /* ln m = 2 atanh(s); |s| < 0.172, so that the tenth term is below 1e-16. */
    double s = (m - 1) / (m + 1), square = s * s, sum = 0;
    for (int k = 21; k >= 1; k -= 2)
        sum = sum * square + 1.0 / k;
    return 2 * s * sum + (double)exponent * ln_2_low + (double)exponent * ln_2_high;
}

double ida_exp(double x)
{
    if (x < -700)
        return 0;
    if (x > 700)
        return 1e304;
    double turns = x * 1.4426950408889634;
    int64_t n = (int64_t)(turns < 0 ? turns - 0.5 : turns + 0.5);
    double r = (x - (double)n * ln_2_high) - (double)n * ln_2_low, sum = 1;
    for (int k = 15; k >= 1; k--)
        sum = 1 + sum * r / k;
    uint64_t bits = (uint64_t)(n + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

double ida_power(double x, double n)
{
    if (x <= 0)
        return 0;
    if (n != (double)(int)n || n < 0 || n > 8)
        return ida_exp(n * ida_ln(x));
    double product = 1;
    for (int k = (int)n; k > 0; k--)
        product *= x;
    return product;
}
