/* segment.h - one file of the journal: 00000000.ida, 00000001.ida, ...: a header, then ida_record structs.
 * It is really allocated before it is used, so that a full disk is an error here and never a fault at a write into
 * the mapping; it gets its name only when it is ready, so that a reader never meets half a header. */
#ifndef IDA_SEGMENT_H
#define IDA_SEGMENT_H
#include "status.h"

typedef struct ida_segment_header {
    char magic[8];           /* "IDAJRNL1" */
    uint64_t index;          /* of this segment */
    uint64_t bytes;          /* of the file */
    uint64_t closed;         /* 0 while it is written; the number of bytes used once no more will come */
    char run[32];            /* run id, NUL-padded; not part of any hash */
} ida_segment_header;

/* A mapped segment. base NULL: none. */
typedef struct ida_segment {
    unsigned char *base;     /* begins with the ida_segment_header */
    uint64_t bytes;          /* mapped */
    uint64_t index;
    uint64_t used;           /* the writer's: where the next record goes */
    int file;                /* descriptor; -1 when mapped for reading */
} ida_segment;

/* All answer 0 or an errno. directory: a descriptor. */
/* Allocates, maps and names it; durable: its name is on disk too. Pages are touched here, so that the appending
 * thread seldom meets a page fault. */
int ida_segment_create(ida_segment *s, int directory, uint64_t index, uint64_t bytes, const char *run, int durable);
/* Maps it for reading. ENOENT: there is none of this index; EBADMSG: it is no segment, or not this one. */
int ida_segment_open(ida_segment *s, int directory, uint64_t index);
/* The bytes [from, to) are on disk when it returns. */
int ida_segment_sync(const ida_segment *s, uint64_t from, uint64_t to);
/* Marks a written one closed at `used`; afterwards only ida_segment_sync, _cut and _unmap. */
void ida_segment_seal(ida_segment *s);
/* Cuts the file of a sealed one behind what is used, but leaves room for the zero that a reader finds there. */
int ida_segment_cut(ida_segment *s);
void ida_segment_unmap(ida_segment *s);
/* Unmaps and removes one that was never written. */
int ida_segment_remove(ida_segment *s, int directory);
/* Whether a segment of this index has a record: without mapping it. */
int ida_segment_is_begun(int directory, uint64_t index);
/* Whether the directory holds any. */
int ida_segment_any(int directory);

#endif
