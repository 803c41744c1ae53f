/* maths.h - ln, exp and power built from +, -, * and / in a fixed order, so that every machine gets the same
 * bits (the C library's differ from one to the next). Good to about 1e-14, relative. Pure. */
#ifndef IDA_MATHS_H
#define IDA_MATHS_H
#include "status.h"

/* x must be normal and above 0. */
double ida_ln(double x);
/* 0 below -700; at least 1e304 above 700. */
double ida_exp(double x);
/* x^n for x >= 0; 0^n is 0 for n > 0. Exact for small whole n when the result is. */
double ida_power(double x, double n);

#endif
