#include "reader.h"

#include "feed.h"
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT_AT = sizeof(ida_record) + sizeof(uint64_t) };

struct ida_reader {
    ida_segment segment; /* base NULL: the next of this index is still to be mapped */
    uint64_t offset;     /* multiple of 8, never beyond the segment */
    uint64_t records;
    int finished;
    int directory;
};

/* ---- beginning and end ------------------------------------------------------------------------------------- */

static int map(ida_reader *r, uint64_t index)
{
    ida_segment next;
    int error = ida_segment_open(&next, r->directory, index);
    if (error)
        return error;
    ida_segment_unmap(&r->segment);
    r->segment = next;
    r->offset = sizeof(ida_segment_header);
    return 0;
}

/* A damaged first segment opens all the same; reading it tells. */
static int begin(ida_reader *r, const char *directory)
{
    r->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->directory < 0)
        return errno;
    int error = map(r, 0);
    return error == EBADMSG ? 0 : error;
}

ida_reader *ida_reader_new(const char *directory, int *error)
{
    ida_reader *r = calloc(1, sizeof *r);
    *error = ENOMEM;
    if (!r)
        return NULL;
    r->segment.file = r->directory = -1;
    *error = begin(r, directory);
    if (!*error)
        return r;
    if (*error == ENOENT && r->directory >= 0)
        *error = 0;
    ida_reader_free(r);
    return NULL;
}

void ida_reader_free(ida_reader *r)
{
    if (!r)
        return;
    ida_segment_unmap(&r->segment);
    if (r->directory >= 0)
        close(r->directory);
    free(r);
}

/* ---- one record -------------------------------------------------------------------------------------------- */

static const ida_segment_header *header(const ida_reader *r)
{
    return (const ida_segment_header *)r->segment.base;
}

const char *ida_record_text(const ida_record *record, size_t *bytes)
{
    *bytes = *(const uint64_t *)(record + 1);
    return (const char *)record + TEXT_AT;
}

static int is_sound(const ida_record *record, uint64_t room)
{
    size_t bytes;
    if (!ida_record_is_sound(record, room))
        return 0;
    if (record->kind < IDA_REQUEST)
        return 1;
    if (record->length < TEXT_AT)
        return 0;
    ida_record_text(record, &bytes);
    return bytes <= record->length - TEXT_AT;
}

static uint32_t length_at(const ida_reader *r)
{
    const ida_record *record = (const ida_record *)(r->segment.base + r->offset);
    if (r->segment.bytes - r->offset < sizeof record->length)
        return 0;
    return __atomic_load_n(&record->length, __ATOMIC_ACQUIRE); /* acquire: the record is there with its length */
}

/* Nothing stands at the offset of a segment that is not closed: the end as it is now, unless bytes are missing or
 * the journal goes on behind the hole. A writer may have gone on since the first look, so a last one decides. */
static ida_status judge_end(const ida_reader *r)
{
    if (r->segment.bytes < __atomic_load_n(&header(r)->bytes, __ATOMIC_ACQUIRE))
        return IDA_CORRUPT;
    if (!ida_segment_is_begun(r->directory, r->segment.index + 1))
        return IDA_EMPTY;
    if (length_at(r) || __atomic_load_n(&header(r)->closed, __ATOMIC_ACQUIRE))
        return IDA_EMPTY;
    return IDA_CORRUPT;
}

/* What stands at the offset: IDA_OK and the record; IDA_EMPTY, with *closed set at the end of a closed segment. */
static ida_status look(const ida_reader *r, const ida_record **record, int *closed)
{
    uint64_t end = __atomic_load_n(&header(r)->closed, __ATOMIC_ACQUIRE);
    uint32_t length = length_at(r);
    *closed = end != 0;
    if (!length && end)
        return end == r->offset ? IDA_EMPTY : IDA_CORRUPT;
    if (!length)
        return judge_end(r);
    *record = (const ida_record *)(r->segment.base + r->offset);
    if ((end && (end < r->offset || length > end - r->offset)) || !is_sound(*record, r->segment.bytes - r->offset))
        return IDA_CORRUPT;
    return IDA_OK;
}

/* The record at the offset, moving to the next segment where one ends. */
static ida_status peek(ida_reader *r, const ida_record **record)
{
    int closed, error;
    for (;;) {
        if (!r->segment.base)
            return IDA_CORRUPT;
        ida_status status = look(r, record, &closed);
        if (status != IDA_EMPTY || !closed)
            return status;
        error = map(r, r->segment.index + 1);
        r->finished = error == ENOENT;
        if (error)
            return r->finished ? IDA_EMPTY : error == EBADMSG ? IDA_CORRUPT : IDA_IO;
    }
}

static void advance(ida_reader *r, const ida_record *record)
{
    r->offset += record->length;
    r->records++;
}

static int is_among(uint64_t mask, const ida_record *record)
{
    return record->kind < 64 && mask >> record->kind & 1;
}

/* ---- many -------------------------------------------------------------------------------------------------- */

const ida_record *ida_reader_next(ida_reader *r, int *status)
{
    const ida_record *record;
    *status = peek(r, &record);
    if (*status)
        return NULL;
    advance(r, record);
    return record;
}

static void apply(ida_market **markets, uint32_t instruments, const ida_record *record)
{
    if (record->kind < IDA_MARKET_KINDS && record->instrument < instruments && markets[record->instrument])
        ida_market_apply(markets[record->instrument], record);
}

const ida_record *ida_reader_scan(ida_reader *r, uint64_t mask, ida_market **markets, uint32_t instruments,
                                  int64_t until, int *status)
{
    const ida_record *record;
    while (!(*status = peek(r, &record))) {
        if (record->ts_local_ns > until) {
            *status = IDA_FULL;
            return NULL;
        }
        advance(r, record);
        if (markets)
            apply(markets, instruments, record);
        if (is_among(mask, record))
            return record;
    }
    return NULL;
}

const ida_record *ida_reader_stretch(ida_reader *r, uint64_t mask, size_t most, size_t *bytes, int *status)
{
    const ida_record *first = ida_reader_scan(r, mask, NULL, 0, INT64_MAX, status), *record;
    int closed;
    if (!first)
        return NULL;
    *bytes = first->length;
    while (*bytes < most && look(r, &record, &closed) == IDA_OK && is_among(mask, record)) {
        *bytes += record->length;
        advance(r, record);
    }
    return first;
}

uint64_t ida_reader_records(const ida_reader *r)
{
    return r->records;
}

uint64_t ida_reader_segment(const ida_reader *r)
{
    return r->segment.index;
}

uint64_t ida_reader_offset(const ida_reader *r)
{
    return r->offset;
}

int ida_reader_finished(const ida_reader *r)
{
    return r->finished;
}
