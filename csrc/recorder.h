/* recorder.h - what came over a wire, kept: files of lines `STAMP TEXT`, packed and written by a thread of its own,
 * fed by an SPSC queue, so that a line costs the caller a copy and a slow disk costs it nothing.
 * Files are STEM-00000.gz, STEM-00001.gz, ... (.txt where the system has no zlib, or level is 0): gzip members that
 * each hold whole lines and are each written at once, one per flush interval. A process that is killed leaves all
 * but the last interval; what is torn is one member at the end of the last file. Each file begins with the head
 * line. Where lines were dropped, a line of stream "!dropped" says how many. One thread writes, rotates, flushes and
 * closes. */
#ifndef IDA_RECORDER_H
#define IDA_RECORDER_H
#include "status.h"

enum { IDA_RECORDER_LONGEST = 4194304 }; /* bytes of a line's text */

typedef struct ida_recorder_settings {
    size_t queue_bytes;      /* room for what waits to be written, a power of two, at least 65536 */
    int64_t flush_ns;        /* a line is in the file this much later at most; above 0. Synced to disk as often */
    int64_t rotate_ns;       /* a new file is begun after this much; 0: never for its time */
    uint64_t rotate_bytes;   /* ... or once it has so many bytes; 0: never for its size */
    int32_t level;           /* of packing: 1 (fast) to 9 (small); 0: plain text */
    int32_t pad;
} ida_recorder_settings;

typedef struct ida_recorder_view {
    uint64_t lines;          /* handed to the system; head lines and notices of drops are not counted */
    uint64_t text_bytes;     /* of these lines, with their stamps */
    uint64_t file_bytes;     /* written to all files */
    uint64_t files;          /* begun */
    uint64_t dropped;        /* lines: no room in the queue, too long, or their write failed */
    int64_t newest_ns;       /* stamp of the newest line in a file; -1: none yet */
    int32_t packed;          /* 1: gzip */
    int32_t error;           /* errno of the first failure, else 0 */
    int32_t failing;         /* errno of the last write; 0: it went well */
    int32_t pad;
} ida_recorder_view;

typedef struct ida_recorder ida_recorder;
/* Creates the first file, in an existing directory; no file is ever written over. head: the text of the line that
 * begins each file, copied; none if head_bytes is 0. On failure NULL, *error gets the errno (EEXIST: the stem is in
 * use; EINVAL: a setting that cannot be). */
ida_recorder *ida_recorder_open(const char *directory, const char *stem, const ida_recorder_settings *settings,
                                const char *head, size_t head_bytes, int *error);
/* One line, as it came; line breaks in it become blanks, which JSON reads alike. Never waits. IDA_FULL: dropped, for
 * want of room; IDA_RANGE: dropped, because it is longer than can be or its stamp has not 19 digits. Both count. */
ida_status ida_recorder_write(ida_recorder *r, int64_t ts_local_ns, const char *text, size_t bytes);
/* The same as {"stream":"STREAM","data":BODY}, for what came without such an envelope. IDA_BAD: the name has a quote,
 * a backslash or a control character; nothing was written or counted. */
ida_status ida_recorder_write_as(ida_recorder *r, int64_t ts_local_ns, const char *stream, const char *body,
                                 size_t bytes);
/* The next line begins a new file, unless this one has no line yet. IDA_FULL: no room to say so; ask again. */
ida_status ida_recorder_rotate(ida_recorder *r);
/* All lines so far have been handed to the system when it returns. IDA_IO: a write failed, now or before. */
ida_status ida_recorder_flush(ida_recorder *r);
/* How it stands, at this moment. */
void ida_recorder_look(const ida_recorder *r, ida_recorder_view *view);
/* Writes what is left, stops the thread, removes a file that got no line, frees. view: how it ended; may be NULL. */
void ida_recorder_close(ida_recorder *r, ida_recorder_view *view);

#endif
