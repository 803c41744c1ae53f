/* needs: feed market book sync pool decimal crc status */
/* Any bytes in a journal are records, an end or IDA_CORRUPT: no read beyond them, also where the checksums hold.
 * The input is cut into segments where a segment's first word stands. Its files lie in memory, and what is mapped is
 * an allocation of just that size, so that the sanitizer sees a byte too many: segment.c and reader.c are compiled
 * here, with their calls of the system led to those below.
 * golden/reader: the same seven records in a closed segment and in one that is being written. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEGMENTS = 4, FOLDER = 1000, FIRST_FILE = 2000 };

static struct { const char *bytes; size_t size; } files[SEGMENTS];
static int file_count, mapped;

static int memory_open(const char *name)
{
    int index = atoi(name);
    if (index < file_count)
        return FIRST_FILE + index;
    errno = ENOENT;
    return -1;
}

static int memory_stat(int file, struct stat *found)
{
    memset(found, 0, sizeof *found);
    found->st_mode = S_IFREG;
    found->st_size = (off_t)files[file - FIRST_FILE].size;
    return 0;
}

static void *memory_map(int file)
{
    mapped++;
    return fuzz_copy((const uint8_t *)files[file - FIRST_FILE].bytes, files[file - FIRST_FILE].size);
}

static int memory_unmap(void *base)
{
    mapped--;
    free(base);
    return 0;
}

static ssize_t memory_read(int file, void *out, size_t bytes, size_t at)
{
    size_t size = files[file - FIRST_FILE].size, rest = at < size ? size - at : 0;
    memcpy(out, files[file - FIRST_FILE].bytes + (rest ? at : 0), rest < bytes ? rest : bytes);
    return (ssize_t)(rest < bytes ? rest : bytes);
}

#define open(path, flags) FOLDER
#define openat(directory, name, flags, mode) memory_open(name)
#define fstat(file, found) memory_stat(file, found)
#define mmap(base, bytes, protection, flags, file, at) memory_map(file)
#define munmap(base, bytes) memory_unmap(base)
#define pread(file, out, bytes, at) memory_read(file, out, bytes, at)
#define close(file) ((void)(file))
#define map map_segment
#define header header_of_segment
#include "segment.c"
#undef map
#undef header
#include "reader.c"

/* What a pass met: how many records, and the place where it ended. */
typedef struct ending {
    uint64_t records, segment, offset, hash;
    int status, finished;
} ending;

static ending end_of(ida_reader *r, int status, uint64_t hash)
{
    HOLDS(status == IDA_EMPTY || status == IDA_CORRUPT);
    ending e = {ida_reader_records(r), ida_reader_segment(r), ida_reader_offset(r), hash, status, ida_reader_finished(r)};
    HOLDS(e.segment < (uint64_t)file_count || e.segment == 0);
    HOLDS(!r->segment.base || e.offset <= files[e.segment].size);
    ida_reader_free(r);
    HOLDS(!mapped);
    return e;
}

static ida_reader *reader(void)
{
    int error;
    ida_reader *r = ida_reader_new(".", &error);
    HOLDS(r);
    return r;
}

static void check_text(const ida_record *record)
{
    size_t bytes;
    const char *text = ida_record_text(record, &bytes);
    HOLDS(text >= (const char *)record && bytes <= record->length && text + bytes <= (const char *)record + record->length);
}

static ending scan_all(ida_market *market)
{
    int status;
    uint64_t hash = 0;
    ida_market *markets[] = { market };
    ida_reader *r = reader();
    for (const ida_record *record; (record = ida_reader_scan(r, ~0ull, markets, 1, INT64_MAX, &status));) {
        if (record->kind >= IDA_REQUEST)
            check_text(record);
        hash = fuzz_hash(hash, record, record->length);
    }
    return end_of(r, status, hash);
}

static ending stretch_all(void)
{
    int status;
    size_t bytes;
    uint64_t hash = 0;
    ida_reader *r = reader();
    for (const ida_record *first; (first = ida_reader_stretch(r, ~0ull, 256, &bytes, &status));)
        hash = fuzz_hash(hash, first, bytes);
    return end_of(r, status, hash);
}

/* Reading record by record, until the end as it is: asked again, it is the same. */
static ending step_all(void)
{
    int status;
    uint64_t hash = 0;
    ida_reader *r = reader();
    for (const ida_record *record; (record = ida_reader_next(r, &status));)
        if (record->kind < 64)
            hash = fuzz_hash(hash, record, record->length);
    uint64_t records = ida_reader_records(r);
    int again;
    HOLDS(!ida_reader_next(r, &again) && again == status && ida_reader_records(r) == records);
    return end_of(r, status, hash);
}

static void hold_same(const ending *a, const ending *b)
{
    HOLDS(a->records == b->records && a->segment == b->segment && a->offset == b->offset && a->hash == b->hash);
    HOLDS(a->status == b->status && a->finished == b->finished);
}

/* A market costs more than all the rest: one input in eight has one. */
static void read_all(int with_market)
{
    ida_market *market = with_market ? ida_market_new(IDA_CHAIN_CONTIGUOUS, 16, 100000, 4096) : NULL;
    HOLDS(market || !with_market);
    ending scanned = scan_all(market), stretched = stretch_all(), stepped = step_all();
    hold_same(&scanned, &stretched);
    hold_same(&scanned, &stepped);
    ida_market_free(market);
}

/* Headers and checksums that hold, so that what they would have caught is met too. */
static void seal(char *bytes, size_t size, uint64_t index)
{
    ida_segment_header *h = (ida_segment_header *)bytes;
    h->index = index;
    memcpy(h->magic, "IDAJRNL1", sizeof h->magic);
    for (size_t at = sizeof *h; at + sizeof(ida_record) <= size;) {
        ida_record *record = (ida_record *)(bytes + at);
        if (record->length < sizeof *record || record->length % 8 || record->length > size - at)
            return;
        ida_record_seal(record);
        at += record->length;
    }
}

static void cut(const char *bytes, size_t size)
{
    file_count = 0;
    for (size_t from = 0; file_count < SEGMENTS && (from < size || !file_count);) {
        const char *next = size - from > 8 ? memmem(bytes + from + 8, size - from - 8, "IDAJRNL1", 8) : NULL;
        size_t end = next && file_count + 1 < SEGMENTS ? (size_t)(next - bytes) : size;
        files[file_count].bytes = bytes + from;
        files[file_count++].size = end - from;
        from = end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int with_market = fuzz_hash(0, data, size) % 8 == 0;
    cut((const char *)data, size);
    read_all(with_market);
    for (int i = 0; i < file_count; i++) {
        size_t least = sizeof(ida_segment_header), room = files[i].size < least ? least : files[i].size;
        char *bytes = calloc(1, room);
        HOLDS(bytes);
        memcpy(bytes, files[i].bytes, files[i].size);
        seal(bytes, room, (uint64_t)i);
        files[i].bytes = bytes;
        files[i].size = room;
    }
    read_all(with_market);
    for (int i = 0; i < file_count; i++)
        free((char *)files[i].bytes);
    return 0;
}
