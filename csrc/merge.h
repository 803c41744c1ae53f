/* merge.h - several book changes that follow each other, as one. */
#ifndef IDA_MERGE_H
#define IDA_MERGE_H
#include "record.h"

/* Writes to *out one diff that does what the `count` diffs in `parts` do after each other: the last quantity of each
 * price, bids from the best down, asks from the best up; first_id of the first, last_id of the last, times of the
 * last. `out`: room for the lengths of all parts together, and none of them. count: at least 1. */
void ida_depth_merge(const ida_depth *const *parts, size_t count, ida_depth *out);

#endif
