/* needs: reader segment feed market book sync pool decimal crc status */
/* Any bytes in a segment are records, an end or IDA_CORRUPT: no read beyond them, also where the checksums hold.
 * golden/reader: the same seven records in a closed segment and in one that is being written. */
#include "feed.h"
#include "reader.h"
#include "segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_segment(const char *folder, const char *bytes, size_t size)
{
    char path[96];
    snprintf(path, sizeof path, "%s/00000000.ida", folder);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || write(file, bytes, size) != (ssize_t)size)
        abort();
    close(file);
}

static void remove_segment(const char *folder)
{
    char path[96];
    snprintf(path, sizeof path, "%s/00000000.ida", folder);
    unlink(path);
    rmdir(folder);
}

/* Checksums that hold, so that what they would have caught is met too. */
static void seal(char *bytes, size_t size)
{
    for (size_t at = sizeof(ida_segment_header); at + sizeof(ida_record) <= size;) {
        ida_record *record = (ida_record *)(bytes + at);
        if (record->length < sizeof *record || record->length % 8 || record->length > size - at)
            return;
        ida_record_seal(record);
        at += record->length;
    }
}

static uint64_t read_all(const char *folder, ida_market *market)
{
    int error, status;
    size_t bytes = 0, sum = 0;
    ida_market *markets[] = { market };
    ida_reader *r = ida_reader_new(folder, &error);
    if (!r)
        abort();
    for (const ida_record *record; (record = ida_reader_scan(r, ~0ull, markets, 1, INT64_MAX, &status));) {
        const char *text = record->kind < IDA_REQUEST ? NULL : ida_record_text(record, &bytes);
        for (size_t i = 0; text && i < bytes; i++)
            sum += (unsigned char)text[i];
    }
    if (status != IDA_EMPTY && status != IDA_CORRUPT)
        abort();
    if (sum == SIZE_MAX) /* what was read is used */
        abort();
    uint64_t records = ida_reader_records(r);
    ida_reader_free(r);
    return records;
}

static void stretch_all(const char *folder, uint64_t records)
{
    int error, status;
    size_t bytes, found = 0;
    ida_reader *r = ida_reader_new(folder, &error);
    for (const ida_record *first; (first = ida_reader_stretch(r, ~0ull, 256, &bytes, &status));)
        found += bytes;
    if (ida_reader_records(r) < records || found > ida_reader_offset(r))
        abort();
    ida_reader_free(r);
}

static void try_segment(const char *bytes, size_t size)
{
    char folder[64]; /* in memory where that can be had: each input is a file */
    snprintf(folder, sizeof folder, "%s/ida-fuzz-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    ida_market *market = ida_market_new(IDA_CHAIN_CONTIGUOUS, 16, 100000, 4096);
    if (!market || !mkdtemp(folder))
        abort();
    write_segment(folder, bytes, size);
    stretch_all(folder, read_all(folder, market));
    remove_segment(folder);
    ida_market_free(market);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t room = size < sizeof(ida_segment_header) ? sizeof(ida_segment_header) : size;
    char *bytes = calloc(1, room);
    if (!bytes)
        abort();
    memcpy(bytes, data, size);
    try_segment(bytes, room);
    seal(bytes, room);
    try_segment(bytes, room);
    free(bytes);
    return 0;
}
