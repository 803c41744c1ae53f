/* journal.h - the memory-mapped, append-only log (design 8). A directory of segment files 00000000.ida, ...; each
 * is really allocated before it is used. The writer copies a record in and publishes its length with a release
 * store, no system call; readers in other processes map the same files. A C thread allocates the next segment
 * ahead of need and syncs. Segment: ida_segment_header, then ida_record structs (length 0: not yet written). */
#ifndef IDA_JOURNAL_H
#define IDA_JOURNAL_H
#include "record.h"

typedef struct ida_segment_header {
    char magic[8];           /* "IDAJRNL1" */
    uint64_t index;          /* of this segment */
    uint64_t bytes;          /* of the file */
    uint64_t closed;         /* 0 while it is written; the number of bytes used once no more will come */
    char run[32];            /* run id, NUL-padded; not part of any hash */
} ida_segment_header;

enum ida_sync_policy { IDA_SYNC_NONE = 0, IDA_SYNC_INTERVAL = 1, IDA_SYNC_EACH_REQUEST = 2 };

typedef struct ida_journal ida_journal;
/* Creates the first two segments in an existing empty directory. segment_bytes: multiple of 4096, at least 64 KiB.
 * interval_ms: of IDA_SYNC_INTERVAL. On failure NULL, *error gets the errno (ENOSPC, EROFS, EEXIST, ...). */
ida_journal *ida_journal_new(const char *directory, const char *run, size_t segment_bytes, int policy,
                             int interval_ms, int *error);
/* Copies the record in, its crc filled, its instrument replaced by `instrument`. IDA_NO_SPACE, IDA_IO: the next
 * segment could not be allocated; nothing was written, and it will not get better. IDA_RANGE: larger than a
 * segment holds. Waits only if the segment thread is behind. Under EACH_REQUEST an IDA_REQUEST returns synced. */
ida_status ida_journal_append(ida_journal *j, const ida_record *record, uint32_t instrument);
/* The same for a record whose payload is apart from its header (JSON kinds); the payload is padded with zeros to a
 * multiple of 8 and its exact size stands in the first 8 bytes after the header, as uint64. */
ida_status ida_journal_append_text(ida_journal *j, uint16_t kind, uint32_t instrument, int64_t ts_venue_ns,
                                   int64_t ts_local_ns, const char *text, size_t bytes);
/* Everything appended so far is on disk when it returns. */
ida_status ida_journal_sync(ida_journal *j);
int ida_journal_error(const ida_journal *j); /* errno of the first failure, else 0 */
uint64_t ida_journal_records(const ida_journal *j);
uint64_t ida_journal_bytes(const ida_journal *j);
/* Stops the thread, cuts the last segment to what is used, marks it closed, removes the spare one, syncs, frees. */
ida_status ida_journal_close(ida_journal *j);

typedef struct ida_reader ida_reader;
/* Opens for reading, also while a writer is at it. *error: errno, or 0 with NULL if it holds no journal. */
ida_reader *ida_reader_new(const char *directory, int *error);
void ida_reader_free(ida_reader *r);
/* The next whole record, or NULL at the end as it is now (call again to follow a writer). *status: IDA_OK,
 * IDA_EMPTY at the end, IDA_CORRUPT at a record that is torn or damaged (the tail is cut there). */
const ida_record *ida_reader_next(ida_reader *r, int *status);
/* As ida_reader_next for kinds in `mask` (bit kind) only. markets (may be NULL): market records of instrument i are
 * applied to markets[i] on the way, also those not returned. Stops with IDA_FULL before the first record whose
 * ts_local_ns is later than until. */
struct ida_market;
const ida_record *ida_reader_scan(ida_reader *r, uint64_t mask, struct ida_market **markets, uint32_t instruments,
                                  int64_t until, int *status);
uint64_t ida_reader_records(const ida_reader *r); /* read so far, skipped ones included */
uint64_t ida_reader_segment(const ida_reader *r);
uint64_t ida_reader_offset(const ida_reader *r);  /* in that segment: where the next record begins */

#endif
