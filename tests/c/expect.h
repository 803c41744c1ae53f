/* expect.h - what every C test counts with: EXPECT(claim) says which claim failed where, DONE ends main. */
#ifndef IDA_TESTS_EXPECT_H
#define IDA_TESTS_EXPECT_H
#include <stdio.h>

static int failures;

#define EXPECT(claim)                                                            \
    do {                                                                         \
        if (!(claim)) {                                                          \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #claim);  \
            failures++;                                                          \
        }                                                                        \
    } while (0)
#define DONE (failures != 0)

#endif
