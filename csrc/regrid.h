/* regrid.h - moves records from one grid of ticks and lots to another, in place. For recordings whose grid is only
 * known once all of them was read, and for feeds that must share one grid. */
#ifndef IDA_REGRID_H
#define IDA_REGRID_H
#include "record.h"

/* What the prices (index 0) and quantities (index 1) of one instrument are multiplied with and then divided by;
 * both at least 1. decimals: -1, or for records fresh from a learning decoder the decimals to bring all numbers to
 * first: such a record's head.crc tells its own, of prices in the lowest byte, of quantities in the next one. */
typedef struct ida_regrid {
    int64_t multiply[2];
    int64_t divide[2];
    int32_t decimals[2];
} ida_regrid;

/* Whole records, of kinds 1..8 (others are left alone). head.crc becomes 0. Off-book trades are rounded down.
 * IDA_OFF_GRID, IDA_RANGE, IDA_UNKNOWN (instrument): *where is the offset of the first record that was not moved. */
ida_status ida_regrid_records(void *records, size_t bytes, const ida_regrid *grids, uint32_t instruments,
                              uint64_t *where);

#endif
