/* log.h - a file of lines written by a thread of its own, fed by an SPSC queue: a line costs the caller a copy.
 * One thread writes, flushes and closes. */
#ifndef IDA_LOG_H
#define IDA_LOG_H
#include "status.h"

typedef struct ida_log ida_log;
/* Appends to path (created 0600). lines: room in the queue, a power of two; a line longer than 480 bytes takes
 * several places. *error: errno when NULL (EINVAL: lines is no power of two). */
ida_log *ida_log_open(const char *path, size_t lines, int *error);
/* A line without its newline; it is in the file some 20 ms later. IDA_FULL: dropped and counted; the caller says so
 * in a line of its own once there is room. */
ida_status ida_log_write(ida_log *log, const char *line, size_t length);
/* All lines written so far have been handed to the system when it returns. IDA_IO: a write failed, now or before. */
ida_status ida_log_flush(ida_log *log);
/* Lines that are not in the file: no room in the queue, or their write failed (it is tried anew with later ones). */
uint64_t ida_log_dropped(const ida_log *log);
int ida_log_error(const ida_log *log); /* errno of the first failed write, else 0 */
/* After the lines written so far. */
void ida_log_close(ida_log *log);

#endif
