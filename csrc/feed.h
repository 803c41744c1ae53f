/* feed.h - recorded market data in the form that is mapped and replayed: a header, records in local order, their
 * order by venue time, and a JSON description. Written once by an importer, read by memory map, never trusted
 * before ida_feed_check. Layout (little-endian):
 *   ida_feed_header | records | uint64 offsets of records in venue order | JSON text
 * Records are ida_record structs with crc set, in order of ts_local_ns (never falling). The venue order lists the
 * kinds that make a book or a trade or a mark (SNAPSHOT, DEPTH, TRADE, MARK), stable by ts_venue_ns. */
#ifndef IDA_FEED_H
#define IDA_FEED_H
#include "record.h"

typedef struct ida_feed_header {
    char magic[8];            /* "IDAFEED2" */
    uint64_t records_offset;  /* from the start of the file; multiple of 8 */
    uint64_t records_bytes;
    uint64_t records;
    uint64_t order_offset;
    uint64_t order;           /* entries: offsets from records_offset */
    uint64_t meta_offset;
    uint64_t meta_bytes;
    uint64_t meta_crc;        /* ida_crc32c of the JSON */
} ida_feed_header;

/* Every length, checksum, offset, order and level count is looked at: after IDA_OK the bytes are safe to walk, and
 * none of them differs from what was written. What record.instrument may be only the JSON tells: not looked at.
 * IDA_CORRUPT: *where gets the offset of the fault. IDA_FULL: no memory for looking (a bit per 8 bytes). */
ida_status ida_feed_check(const void *file, size_t bytes, uint64_t *where);
/* Sets crc of each record, and writes the venue order to offsets (room for `records` entries); how many entries,
 * or SIZE_MAX if there was no memory for sorting. The records must be whole. */
size_t ida_feed_seal(void *records, size_t bytes, uint64_t *offsets);
/* Sets the crc of one record. */
void ida_record_seal(ida_record *record);
/* 1 if it is whole within the available bytes, its crc is right, its kind is known or 32 and above, and its length
 * fits its kind and level counts: then it is safe to read. */
int ida_record_is_sound(const ida_record *record, size_t available);
/* 1 if the kind is known or 32 and above, and the length fits it and the level counts. */
int ida_record_has_shape(const ida_record *record);

#endif
