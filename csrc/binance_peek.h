/* binance_peek.h - internal to the intake: which stream a combined message is of and which ids it covers, from its
 * first bytes alone, so that what another connection brought already is not decoded again. It knows the form in which
 * the venue writes; what is written in another way, however right, is not told here but by decoding. */
#ifndef IDA_BINANCE_PEEK_H
#define IDA_BINANCE_PEEK_H
#include "arbiter.h"

/* What a stream brings, by its name; it says which of a message's keys are its ids. */
enum ida_binance_form {
    IDA_FORM_DIFF = 0,      /* U and u, or pu and u */
    IDA_FORM_TRADE = 1,     /* t */
    IDA_FORM_AGGREGATE = 2, /* a */
    IDA_FORM_QUOTE = 3,     /* u */
    IDA_FORM_TOP = 4,       /* lastUpdateId, or u */
    IDA_FORM_EVENT = 5      /* E, of the first event where there are several */
};

typedef struct ida_binance_peeked {
    const char *name;    /* the stream's */
    size_t name_length;
    const char *data;    /* the payload's first byte, of `end` */
    const char *end;     /* behind the payload's last byte */
} ida_binance_peeked;

int ida_binance_form_of(const char *name, size_t length);
/* 1 and where things lie, for {"stream":"NAME","data":...}; the payload itself is not looked at. */
int ida_binance_peek(const char *text, size_t bytes, ida_binance_peeked *peeked);
/* 1 and first_id, last_id, ts_venue_ns and digest of m. */
int ida_binance_peek_ids(const ida_binance_peeked *peeked, int form, ida_arrival *m);
/* A time in ms or us, as nanoseconds; IDA_NO_VENUE_TIME if that is too large. */
int64_t ida_binance_time_ns(int64_t value);

#endif
