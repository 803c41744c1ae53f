/* status.h - what a call that can fail answers. The object is unchanged unless it says otherwise. */
#ifndef IDA_STATUS_H
#define IDA_STATUS_H
#include <stddef.h>
#include <stdint.h>

typedef enum ida_status {
    IDA_OK = 0,
    IDA_FULL = 1,      /* no room: the caller chooses what to drop, or waits */
    IDA_EMPTY = 2,     /* nothing there */
    IDA_BAD = 3,       /* malformed input */
    IDA_OFF_GRID = 4,  /* a price or quantity between two ticks or lots */
    IDA_RANGE = 5,     /* a number that does not fit */
    IDA_UNKNOWN = 6,   /* no such symbol, order, kind */
    IDA_DUPLICATE = 7, /* the id is in use */
    IDA_IO = 8,        /* the operating system said no; the object keeps the errno to ask for */
    IDA_NO_SPACE = 9,  /* the disk is full */
    IDA_CORRUPT = 10,  /* a checksum or a length that cannot be */
    IDA_STATE = 11     /* not now: the call does not fit the object's state */
} ida_status;

/* A short, static, English name of a status; never NULL. */
const char *ida_status_text(int status);

#endif
