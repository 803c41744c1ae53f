/* wire_json.h - the other end of Binance's spot wire: market records as the JSON text that its streams and its REST
 * depth send, with the decimals padded as it writes them, in a WebSocket text frame if wanted. Written from the
 * documents alone: nothing here is shared with the decoder. Times are numbers in the unit of the reader's choice. */
#ifndef IDA_WIRE_JSON_H
#define IDA_WIRE_JSON_H
#include "book.h"
#include "decimal.h"

/* Bytes that are always enough: for one level, and for all of a message that is no level and no head. */
enum ida_wire_bytes { IDA_WIRE_LEVEL = 128, IDA_WIRE_REST = 1024, IDA_WIRE_SYMBOL = 64 };

/* What goes around a message, and its times. */
typedef struct ida_envelope {
    const char *head;   /* what stands before it, {"stream":"...","data": or nothing; with a head a } stands after it */
    size_t head_bytes;
    int64_t event_time; /* E */
    int64_t trade_time; /* T of trades */
    int32_t framed;     /* 1: as an unmasked WebSocket text frame, 0: the text alone */
    int32_t pad;
} ida_envelope;

typedef struct ida_wire ida_wire;
/* symbol: UTF-8, at most IDA_WIRE_SYMBOL bytes, copied. NULL if memory is short, or if it is longer, empty or has a
 * quote, backslash or control character; or if the grid cannot be one. */
ida_wire *ida_wire_new(const char *symbol, size_t bytes, const ida_grid *grid);
void ida_wire_free(ida_wire *w);
/* Bytes that are enough for `levels` and a head. */
size_t ida_wire_room(size_t levels, size_t head_bytes);
/* Writes one record: DEPTH as depthUpdate, TRADE as trade or, if flagged so, as aggTrade, QUOTE as bookTicker. Returns
 * the bytes written; 0: another kind, or less room than ida_wire_room says. */
size_t ida_wire_record(const ida_wire *w, const ida_record *record, const ida_envelope *around, char *out, size_t room);
/* Writes the best `most` levels of each side: partial depth, and REST's answer. Likewise. */
size_t ida_wire_book(const ida_wire *w, const ida_book *book, int64_t last_id, size_t most, const ida_envelope *around,
                     char *out, size_t room);
/* How many levels of each side, `most` or fewer: to know the room. */
size_t ida_wire_levels(const ida_book *book, size_t most);

#endif
