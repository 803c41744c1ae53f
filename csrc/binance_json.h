/* binance_json.h - Binance's JSON messages to records: a single pass, no allocation after _new. Strict about what
 * is malformed (the whole message must be JSON of the right shape), tolerant of unknown keys, of key order and of
 * white space. Raw payloads, combined ones {"stream":..,"data":..} and REST depth answers. Fed bytes, gives
 * records: it has never seen a socket. The one venue-specific decoder here; used by ida_binance alone. */
#ifndef IDA_BINANCE_JSON_H
#define IDA_BINANCE_JSON_H
#include "decimal.h"
#include "record.h"

enum ida_binance_market { IDA_SPOT = 0, IDA_USDM = 1, IDA_COINM = 2, IDA_MARKET_UNKNOWN = 3 };

/* What a decoder is told of, or in learning mode finds out about, a symbol. */
typedef struct ida_binance_symbol {
    char name[64];           /* UTF-8, upper case as in "s", NUL-padded */
    ida_grid grid;           /* learning: decimals seen so far, tick and lot the greatest common steps so far */
    int32_t market;          /* ida_binance_market; learning: as recognised */
    int32_t rounds;          /* a fixed grid: 1: what lies between its steps is rounded or left out, and counted; 0: it is
                              * IDA_OFF_GRID */
    int64_t records;
    int64_t prices_seen;     /* learning: prices that the steps rest on */
    int64_t quantities_rounded; /* between two lots: up to the next whole one */
    int64_t levels_off_tick; /* at prices between two ticks: left out */
    int64_t events_off_tick; /* trades, quotes, bars and tickers with such a price: passed over */
} ida_binance_symbol;

typedef struct ida_binance_problem {
    int32_t status;          /* ida_status */
    uint32_t offset;         /* byte in the message */
    const char *rule;        /* static text: which rule was broken; never NULL after a failure */
    int32_t passable;        /* 1: well-formed, but nothing that can be (a trade at price 0), or
                              * IDA_OFF_GRID on a grid that rounds: pass over and count it */
    int32_t pad;
} ida_binance_problem;

typedef struct ida_binance ida_binance;
/* learning: unknown symbols are added, and prices and quantities are stored as whole 10^-decimals of the symbol
 * (grid.tick and grid.lot say by what they may be divided afterwards); else they are IDA_UNKNOWN. */
ida_binance *ida_binance_new(size_t symbols, int learning);
void ida_binance_free(ida_binance *b);
/* IDA_DUPLICATE, IDA_FULL. *index: the record's instrument. */
ida_status ida_binance_add(ida_binance *b, const ida_binance_symbol *symbol, uint32_t *index);
size_t ida_binance_symbols(const ida_binance *b);
const ida_binance_symbol *ida_binance_look(const ida_binance *b, uint32_t index);
/* One message into one record at `out` (8-byte aligned, `capacity` bytes). default_symbol: instrument of messages
 * that name none (REST snapshot, partial depth on a raw socket), or -1. microseconds: 1 if the connection was
 * asked for that time unit.
 * IDA_OK; IDA_EMPTY: well-formed, but no market data (control reply, unknown event: *problem.rule says); IDA_UNKNOWN:
 * a symbol not asked for; IDA_BAD, IDA_OFF_GRID, IDA_RANGE: malformed; IDA_FULL: capacity is short. */
ida_status ida_binance_decode(ida_binance *b, const char *text, size_t bytes, int64_t ts_local_ns,
                              int32_t default_symbol, int microseconds, void *out, size_t capacity,
                              ida_binance_problem *problem);

#endif
