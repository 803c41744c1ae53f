/* chance.h - seeded random numbers, the same on every machine: xoshiro256** (Blackman and Vigna, 2018), seeded by
 * splitmix64, and the few distributions that the synthetic market draws from. Nothing allocates. */
#ifndef IDA_CHANCE_H
#define IDA_CHANCE_H
#include "status.h"

typedef struct ida_chance {
    uint64_t state[4];
} ida_chance;

/* Streams of one seed are independent of each other. */
void ida_chance_seed(ida_chance *c, uint64_t seed, uint64_t stream);
uint64_t ida_chance_bits(ida_chance *c);
/* 0 .. n-1; n from 1 to 2^32. */
uint64_t ida_chance_below(ida_chance *c, uint64_t n);
/* From 0 to below 1. */
double ida_chance_unit(ida_chance *c);
/* Mean 1. */
double ida_chance_exponential(ida_chance *c);
/* Mean 0, deviation 1, never beyond 6: the sum of twelve even numbers. */
double ida_chance_normal(ida_chance *c);
/* From 1 to `most`, with a tail of exponent `tail`. */
double ida_chance_pareto(ida_chance *c, double tail, double most);

#endif
