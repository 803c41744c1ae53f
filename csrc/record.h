/* record.h - the one layout of an event: what a decoder makes, a feed file holds, the journal keeps and the
 * engine reads. Native little-endian, 8-byte aligned, lengths a multiple of 8. Prices are whole ticks,
 * quantities whole lots; what lies on no grid is in units of 10^-8 and named _e8. Times are ns since 1970 UTC. */
#ifndef IDA_RECORD_H
#define IDA_RECORD_H
#include "status.h"

/* Kinds. Market data has a struct below; 32 and above carry JSON written by the engine. Never renumber. */
enum ida_kind {
    IDA_SNAPSHOT = 1,  /* ida_depth: the whole book at last_id */
    IDA_DEPTH = 2,     /* ida_depth: absolute quantities of the levels that changed */
    IDA_TRADE = 3,     /* ida_trade */
    IDA_QUOTE = 4,     /* ida_quote: best bid and ask with the update id (Binance: bookTicker) */
    IDA_BAR = 5,       /* ida_bar */
    IDA_MARK = 6,      /* ida_mark: mark and index price, funding rate */
    IDA_TICKER = 7,    /* ida_ticker: statistics over a window */
    IDA_PARTIAL = 8,   /* ida_depth: the top of the book only; does not touch the book */
    IDA_AVERAGE = 9,   /* ida_average: mean price of the last minutes */
    IDA_REQUEST = 32,  /* JSON: an order request, before it is sent */
    IDA_REPORT = 33,   /* JSON: an execution report */
    IDA_BALANCE = 34,  /* JSON: balances as the venue says */
    IDA_TIMER = 35,    /* JSON: a timer fired */
    IDA_REFUSAL = 36,  /* JSON: risk or the order table said no */
    IDA_STATUS_CHANGE = 37, /* JSON: health of venue or market data */
    IDA_SIGNAL = 38,   /* JSON: an event of a feed plugin */
    IDA_NOTE = 39,     /* JSON: start, stop, plugin failures, halts */
    IDA_TIMING = 40,   /* JSON: wall-clock measurements; never part of the journal's hash */
    IDA_FUNDING = 41,  /* JSON: funding charged or paid */
    IDA_SENT = 42,     /* JSON: a request's bytes went out; measured, so never part of the journal's hash */
    IDA_TRANSFER = 43  /* JSON: a deposit, a withdrawal: what moved a balance and was no order */
};

enum { IDA_MARKET_KINDS = 10 }; /* kinds of market data are below */

/* Flags of ida_record.flags. */
enum ida_record_flag {
    IDA_FLAG_BUYER_IS_MAKER = 1, /* trade: the aggressor sold */
    IDA_FLAG_OFF_BOOK = 2,       /* trade: insurance fund, ADL, ...: fills nothing, is no last price */
    IDA_FLAG_AGGREGATE = 4,      /* trade: several fills of one taker order at one price */
    IDA_FLAG_CLOSED = 8,         /* bar: complete */
    IDA_FLAG_NO_VENUE_TIME = 16, /* ts_venue_ns was not on the wire: it repeats ts_local_ns */
    IDA_FLAG_WHOLE = 32,         /* snapshot: there is no level beyond its last ones. Without it a snapshot is taken for
                                    cut after the same number of levels on each side: the side that has fewer than the
                                    other is whole, of the other what lies beyond its last level is unknown */
    IDA_FLAG_CUT = 64            /* snapshot: both sides are cut, however many levels they have */
};

typedef struct ida_record {
    uint32_t length;     /* of the whole record, this header included; multiple of 8 */
    uint32_t crc;        /* CRC-32C of all bytes after this field; 0 in memory, set in journal and feed files */
    uint16_t kind;
    uint16_t flags;
    uint32_t instrument; /* index in the run, the feed file or the decoder that made it */
    int64_t ts_venue_ns; /* when it happened there: transaction time where given, else event time */
    int64_t ts_local_ns; /* when we saw it */
} ida_record;

typedef struct ida_level {
    int64_t price;    /* ticks */
    int64_t quantity; /* lots; 0 removes the level */
} ida_level;

typedef struct ida_depth {
    ida_record head;
    int64_t first_id;    /* U; of a snapshot: last_id */
    int64_t last_id;     /* u, or lastUpdateId */
    int64_t previous_id; /* pu; -1 where the venue has none */
    uint32_t bids;       /* levels[0 .. bids-1] */
    uint32_t asks;       /* levels[bids .. bids+asks-1] */
    ida_level levels[];
} ida_depth;

typedef struct ida_trade {
    ida_record head;
    int64_t trade_id; /* of an aggregate: its aggregate id */
    int64_t price;
    int64_t quantity;
    int64_t first_trade_id; /* = trade_id unless an aggregate */
    int64_t last_trade_id;
} ida_trade;

typedef struct ida_quote {
    ida_record head;
    int64_t update_id;
    int64_t bid;
    int64_t bid_quantity;
    int64_t ask;
    int64_t ask_quantity;
} ida_quote;

typedef struct ida_mark {
    ida_record head;
    int64_t mark_e8;
    int64_t index_e8;
    int64_t settle_e8;
    int64_t funding_rate_e8;
    int64_t next_funding_ns;
} ida_mark;

typedef struct ida_bar {
    ida_record head;
    int64_t open_ns;
    int64_t close_ns;
    int64_t open;
    int64_t high;
    int64_t low;
    int64_t close;
    int64_t volume;          /* lots */
    int64_t taker_buy;       /* lots */
    int64_t quote_volume_e8;
    int64_t trades;
    int64_t interval_s;      /* 2592000 for a month */
} ida_bar;

typedef struct ida_ticker {
    ida_record head;
    int64_t open_ns;
    int64_t close_ns;
    int64_t open;
    int64_t high;
    int64_t low;
    int64_t last;
    int64_t volume;          /* lots */
    int64_t quote_volume_e8;
    int64_t trades;          /* -1 where the stream has none (miniTicker) */
} ida_ticker;

typedef struct ida_average {
    ida_record head;
    int64_t average_e8;
    int64_t window_s;
    int64_t last_trade_ns;
} ida_average;

#endif
