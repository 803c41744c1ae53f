#include "chance.h"

#include "maths.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

void ida_chance_seed(ida_chance *c, uint64_t seed, uint64_t stream)
{
    uint64_t mixed = splitmix(&seed) ^ splitmix(&stream);
    for (int i = 0; i < 4; i++)
        c->state[i] = splitmix(&mixed);
}

static uint64_t rotated(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

uint64_t ida_chance_bits(ida_chance *c)
{
    uint64_t *s = c->state, answer = rotated(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotated(s[3], 45);
    return answer;
}

uint64_t ida_chance_below(ida_chance *c, uint64_t n) { return (ida_chance_bits(c) >> 32) * n >> 32; }

double ida_chance_unit(ida_chance *c) { return (double)(ida_chance_bits(c) >> 11) * 0x1p-53; }

double ida_chance_exponential(ida_chance *c) { return -ida_ln(1 - ida_chance_unit(c)); }

double ida_chance_normal(ida_chance *c)
{
    int64_t sum = 0;
    for (int i = 0; i < 3; i++)
        for (uint64_t bits = ida_chance_bits(c), j = 0; j < 4; j++, bits >>= 16)
            sum += (int64_t)(bits & 0xffff);
    return (double)(sum - 12 * 0xffff / 2) * 0x1p-16;
}

double ida_chance_pareto(ida_chance *c, double tail, double most)
{
    double kept = 1 - ida_exp(-tail * ida_ln(most));
    return ida_exp(-ida_ln(1 - ida_chance_unit(c) * kept) / tail);
}
