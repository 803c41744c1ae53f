/* Appends records to a journal in a new folder and says how long one took.
 * journal_append FOLDER RECORD_BYTES RECORDS POLICY: prints ns per record. */
#include "journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SEGMENT = 16 << 20, INTERVAL_MS = 200 };

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int count, char **words)
{
    int error;
    if (count != 5)
        return 2;
    uint32_t bytes = (uint32_t)atol(words[2]);
    long records = atol(words[3]);
    ida_record *record = calloc(1, bytes);
    ida_journal *j = ida_journal_new(words[1], "bench", SEGMENT, atoi(words[4]), INTERVAL_MS, &error);
    if (!record || !j)
        return 1;
    record->length = bytes;
    record->kind = IDA_NOTE; /* any length is one of a text */
    nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL); /* the spare segment is ready, as in a run */
    double begin = now_ns();
    for (long i = 0; i < records; i++)
        if (ida_journal_append(j, record, 0))
            return 1;
    printf("%f\n", (now_ns() - begin) / (double)records);
    free(record);
    return ida_journal_close(j, &error) != IDA_OK;
}
