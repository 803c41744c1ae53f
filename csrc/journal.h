/* journal.h - the memory-mapped, append-only log (design 8), the writing side; reader.h reads. A directory of
 * segment files (segment.h). The writer copies a record in and publishes its length with a release store, no system
 * call; readers in other processes map the same files. A C thread allocates the next segment ahead of need and
 * syncs. A length of 0 means: not yet written. One thread appends, syncs and closes. */
#ifndef IDA_JOURNAL_H
#define IDA_JOURNAL_H
#include "record.h"

enum ida_sync_policy { IDA_SYNC_NONE = 0, IDA_SYNC_INTERVAL = 1, IDA_SYNC_EACH_REQUEST = 2 };
enum { IDA_SEGMENT_LEAST = 65536 };

typedef struct ida_journal ida_journal;
/* Creates the first segment in an existing directory that holds none; the thread at once makes the next one ready.
 * segment_bytes: multiple of 4096, at least IDA_SEGMENT_LEAST. run: 32 bytes of it are kept. interval_ms: of
 * IDA_SYNC_INTERVAL, and of what is no request under EACH_REQUEST. On failure NULL, *error gets the errno (ENOSPC,
 * EROFS, EEXIST, EINVAL for an argument, ...). */
ida_journal *ida_journal_new(const char *directory, const char *run, size_t segment_bytes, int policy,
                             int interval_ms, int *error);
/* Copies the record in, its crc filled, its instrument replaced by `instrument`. IDA_NO_SPACE, IDA_IO: the next
 * segment could not be allocated, or a sync failed; nothing was written, and it will not get better. IDA_RANGE:
 * larger than a segment holds. IDA_BAD: its length is none. Waits only if the segment thread is behind. Under
 * EACH_REQUEST an IDA_REQUEST returns synced, or IDA_IO when it is written but may not be on disk. */
ida_status ida_journal_append(ida_journal *j, const ida_record *record, uint32_t instrument);
/* The same for a record of a checked feed (feed.h): its crc is right, and stays where the instrument stays. */
ida_status ida_journal_append_sealed(ida_journal *j, const ida_record *record, uint32_t instrument);
/* The same for a record whose payload is apart from its header (JSON kinds); the payload is padded with zeros to a
 * multiple of 8 and its exact size stands in the first 8 bytes after the header, as uint64. */
ida_status ida_journal_append_text(ida_journal *j, uint16_t kind, uint32_t instrument, int64_t ts_venue_ns,
                                   int64_t ts_local_ns, const char *text, size_t bytes);
/* Everything appended so far is on disk when it returns. */
ida_status ida_journal_sync(ida_journal *j);
/* In a forked child: the journal is its parent's. From here on appending and syncing answer IDA_STATE and touch nothing;
 * not to be closed. */
void ida_journal_forsake(ida_journal *j);
int ida_journal_error(const ida_journal *j); /* errno of the first failure, else 0 */
uint64_t ida_journal_records(const ida_journal *j);
uint64_t ida_journal_bytes(const ida_journal *j); /* of the records */
/* Stops the thread, cuts the last segment to what is used, marks it closed, removes the spare one, syncs (unless
 * IDA_SYNC_NONE), frees. IDA_IO, IDA_NO_SPACE: that failed, *error gets the errno; it is freed all the same. */
ida_status ida_journal_close(ida_journal *j, int *error);

#endif
