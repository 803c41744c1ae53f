/* fuzz.h - what the targets share: HOLDS says what must be so for any bytes, a script reads them as numbers. */
#ifndef IDA_TESTS_FUZZ_H
#define IDA_TESTS_FUZZ_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLDS(claim)                                                             \
    do {                                                                         \
        if (!(claim)) {                                                          \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #claim);  \
            abort();                                                             \
        }                                                                        \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of an input that is read as a script of calls. */
typedef struct script {
    const uint8_t *at, *end;
} script;

/* The next byte; 0 behind the end. */
static inline uint8_t script_byte(script *s)
{
    return s->at < s->end ? *s->at++ : 0;
}

/* Mostly a small number; 255 announces a whole one of 8 bytes, 254 to 252 those at the edges. */
static inline int64_t script_number(script *s)
{
    uint8_t byte = script_byte(s);
    int64_t number = 0;
    switch (byte) {
    case 255:
        for (int i = 0; i < 8; i++)
            number = (int64_t)((uint64_t)number << 8 | script_byte(s));
        return number;
    case 254: return INT64_MAX;
    case 253: return INT64_MIN;
    case 252: return -1;
    default: return byte;
    }
}

/* A copy of just that size: the sanitizer sees a byte too many. The caller frees it. */
static inline char *fuzz_copy(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    HOLDS(copy);
    memcpy(copy, data, size);
    return copy;
}

/* FNV-1a, to compare what two passes over the same input gave. */
static inline uint64_t fuzz_hash(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
    return hash;
}

#endif
