/* reader.h - reads a journal, also while a writer in another process is at it. Nothing in it is trusted: a record
 * is given out only when its length, checksum and shape are right. One thread. */
#ifndef IDA_READER_H
#define IDA_READER_H
#include "market.h"
#include "record.h"

typedef struct ida_reader ida_reader;
/* *error when NULL: errno, or 0 if the directory holds no journal. A first segment that is damaged is no failure
 * here: the first call tells IDA_CORRUPT. */
ida_reader *ida_reader_new(const char *directory, int *error);
void ida_reader_free(ida_reader *r);
/* The next whole record, good until the next call, or NULL at the end as it is now (call again to follow a writer).
 * *status: IDA_OK, IDA_EMPTY at the end, IDA_CORRUPT at a record that is torn or damaged (the tail is cut there),
 * IDA_IO when a file cannot be mapped. */
const ida_record *ida_reader_next(ida_reader *r, int *status);
/* As ida_reader_next for kinds in `mask` (bit kind) only. markets (may be NULL, as may its entries): market records
 * of instrument i are applied to markets[i] on the way, also those not returned. Stops with IDA_FULL before the
 * first record whose ts_local_ns is later than until. */
const ida_record *ida_reader_scan(ida_reader *r, uint64_t mask, ida_market **markets, uint32_t instruments,
                                  int64_t until, int *status);
/* As ida_reader_scan, but a stretch of records that follow each other without a gap, until about `most` bytes:
 * *bytes of them. For hashing and copying. */
const ida_record *ida_reader_stretch(ida_reader *r, uint64_t mask, size_t most, size_t *bytes, int *status);
/* The text of a record of kind 32 and above: *bytes of it. */
const char *ida_record_text(const ida_record *record, size_t *bytes);
uint64_t ida_reader_records(const ida_reader *r); /* read so far, skipped ones included */
uint64_t ida_reader_segment(const ida_reader *r);
uint64_t ida_reader_offset(const ida_reader *r);  /* in that segment: where the next record begins */
int ida_reader_finished(const ida_reader *r); /* at the end of a journal that its writer has closed */

#endif
