/* match.h - one instrument's matching engine: price-time priority. Two ways of use, one engine.
 *
 * Whole market (outside liquidity NULL): every order that exists was placed here.
 * Beside a recording (outside liquidity: a recorded book fed by ida_match_depth and ida_match_trade): our orders
 * trade against the recorded market. Rules, also told in docs/fills.md:
 *  - A taker takes recorded levels best first, and at one price our earlier resting orders where their turn
 *    comes. What we took of a recorded level stays taken: it is subtracted from that level until the recording
 *    has shown the level without it (never less than 0, never given twice).
 *  - A resting order waits behind the quantity that the recording showed at its price when it arrived, and
 *    behind our own earlier orders at that price. The queue model says how that quantity shrinks.
 *  - A recorded trade at our price first uses up the queue ahead, then fills us, oldest first, by what is left
 *    of it; a trade through our price fills us by its quantity; the same quantity never fills two orders.
 *  - A recorded book whose other side reaches our price fills us by the quantity it shows at or through it.
 * An iceberg shows a part of its leaves; each next part joins the end of the queue at its price when the former one is
 * used up, beside a recording behind all that it shows there. What trades through its price, or a book that crosses
 * it, fills the hidden lots too.
 * A trailing stop is set free once the last price has turned by `trailing` basis points: a buy above the lowest price
 * since it began to follow, a sell below the highest. It begins where its stop price is reached, without one with the
 * next trade. A pegged order's price is taken from the book when it starts.
 * Of a pair only one is filled: the other is EXPIRED before the first fill is told, or before TRIGGERED.
 * In both, every fill of an account moves what its reduce-only orders may still close. One that has more leaves than
 * that is EXPIRED whole: before it could be filled next, and at the latest when the call is done, by age.
 * Reports of one placement: NEW (or REJECTED, alone), then its trades and preventions in order, of each the maker's
 * report before the taker's, then EXPIRED if a rest is not to stay. Stops that a trade has set free are started
 * when the order under way is done, in the order in which they were set free: TRIGGERED, then as above; of one
 * price move first those that it met first, then the older ones.
 * One thread. Nothing allocates after ida_match_new; a full pool is IDA_FULL and the order is not placed. */
#ifndef IDA_MATCH_H
#define IDA_MATCH_H
#include "ahead.h"
#include "book.h"

enum ida_order_type {
    IDA_LIMIT = 0, IDA_MARKET = 1, IDA_LIMIT_MAKER = 2,
    IDA_STOP_LOSS = 3, IDA_STOP_LOSS_LIMIT = 4, IDA_TAKE_PROFIT = 5, IDA_TAKE_PROFIT_LIMIT = 6
};
enum ida_tif { IDA_GTC = 0, IDA_IOC = 1, IDA_FOK = 2 };
enum ida_stp { IDA_STP_NONE = 0, IDA_STP_EXPIRE_MAKER = 1, IDA_STP_EXPIRE_TAKER = 2, IDA_STP_EXPIRE_BOTH = 3, IDA_STP_DECREMENT = 4 };
/* What the price of an order is taken from when it starts: the best of its own side, or of the other. */
enum ida_peg { IDA_PEG_NONE = 0, IDA_PEG_PRIMARY = 1, IDA_PEG_MARKET = 2 };
enum ida_execution {
    IDA_X_NEW = 0, IDA_X_CANCELED = 1, IDA_X_REPLACED = 2, IDA_X_REJECTED = 3, IDA_X_TRADE = 4, IDA_X_EXPIRED = 5,
    IDA_X_TRADE_PREVENTION = 6, IDA_X_TRIGGERED = 7
};
enum ida_order_status {
    IDA_S_NEW = 0, IDA_S_PARTIALLY_FILLED = 1, IDA_S_FILLED = 2, IDA_S_CANCELED = 3, IDA_S_REJECTED = 4,
    IDA_S_EXPIRED = 5, IDA_S_EXPIRED_IN_MATCH = 6
};
/* Why a report came: of fills, which rule made it; of the rest, what ended or refused the order. */
enum ida_reason {
    IDA_R_NONE = 0,
    IDA_R_TOOK = 1,            /* fill: our order took resting liquidity */
    IDA_R_QUEUE_REACHED = 2,   /* fill: a trade at our price had used up the queue ahead */
    IDA_R_TRADED_THROUGH = 3,  /* fill: a trade at a worse price than ours for the aggressor */
    IDA_R_BOOK_CROSSED = 4,    /* fill: the other side's recorded quotes reached our price */
    IDA_R_MATCHED = 5,         /* fill: hit by an order that was placed here (whole market, or one of ours) */
    IDA_R_WOULD_TAKE = 6,      /* rejected: LIMIT_MAKER that would match at once */
    IDA_R_WOULD_TRIGGER = 7,   /* rejected: stop that would trigger at once */
    IDA_R_NO_LIQUIDITY = 8,    /* expired: MARKET found nothing more */
    IDA_R_IOC_REST = 9,        /* expired */
    IDA_R_FOK_SHORT = 10,      /* expired: FOK could not be filled whole */
    IDA_R_SELF_TRADE = 11,     /* expired in match */
    IDA_R_USER = 12,           /* canceled on request */
    IDA_R_REDUCE_ONLY = 13,    /* expired: by now it would open a position */
    IDA_R_PAIR = 14,           /* expired: the other one of its pair was filled or triggered, or the caller said so */
    IDA_R_NO_PRICE = 15        /* rejected, or expired when triggered: no price in the book to peg it to */
};


typedef struct ida_new_order {
    uint64_t order_id;     /* chosen by the caller, > 0, unique among open orders */
    uint32_t account;      /* orders of one account are subject to self-trade prevention */
    uint8_t side, type, tif, stp;
    int64_t price;         /* ticks; ignored for MARKET, STOP_LOSS, TAKE_PROFIT */
    int64_t quantity;      /* lots; 0 for MARKET by notional */
    int64_t notional;      /* ticks x lots to spend, for MARKET with quantity 0: whole lots as far as it reaches.
                              FILLED once the rest buys no lot at the last price, EXPIRED if the book ends first */
    int64_t stop_price;    /* ticks; stops only; 0 for a trailing one that is to follow at once */
    int64_t reducible;     /* reduce-only: lots of the account's position that it may close, at least `quantity`;
                              0: it may open one */
    int64_t iceberg;       /* lots shown at a time, GTC orders with a price only; 0: all */
    uint64_t pair;         /* of a stop: the id of an open order of its account and side that has no pair yet, with which
                              it makes one; 0: none */
    int32_t trailing;      /* stops only: basis points, 1 .. 9999; 0: it does not trail */
    uint8_t peg;           /* orders with a price only, which is then not looked at */
    uint8_t peg_offset;    /* levels deeper into the book than its best */
} ida_new_order;

typedef struct ida_report {
    uint64_t order_id;
    uint64_t trade_id;        /* of this instrument, > 0, increasing; 0 unless execution is TRADE */
    uint64_t counter_order;   /* the other order, of a trade or a prevention; 0 if it was recorded liquidity */
    int64_t ts_venue_ns;
    int64_t price;            /* of this trade or prevented trade, else of the order */
    int64_t quantity;         /* of this trade; of TRADE_PREVENTION the lots this order lost; else 0 */
    int64_t cumulative;       /* lots filled so far */
    int64_t leaves;           /* lots still open; 0 when the order has ended, and for MARKET by notional */
    int64_t order_quantity;   /* as it stands after amendments; of MARKET by notional the lots filled so far */
    int64_t ahead;            /* recorded lots ahead in the queue after this report (of an order that is still
                                 taking: where its rest will stand); -1 where it has no meaning */
    uint32_t account;
    uint8_t side, execution, status, reason;
    uint8_t maker;            /* of a trade: 1 if this order was resting */
    uint8_t follows;          /* 1 of a trailing stop that has begun to follow the last price */
} ida_report;

typedef struct ida_match ida_match;
/* outside: the recorded book, owned by the caller and changed only through ida_match_depth; NULL for a whole
 * market. max_price: the highest tick of an order. orders: how many can be open at once. reports: how many can
 * wait to be read; once that many wait, calls answer IDA_FULL (room for what one call can add is kept on top).
 * power: n of IDA_QUEUE_POWER, above 0 up to 100. first_account: reports of accounts below it are not made (synthetic
 * agents need none). NULL if memory is short or an argument is out of range. */
ida_match *ida_match_new(ida_book *outside, int64_t max_price, size_t orders, size_t reports, int queue_model,
                         double power, uint32_t first_account);
void ida_match_free(ida_match *m);
/* now: the exchange's time, stamped on reports. Every call that changes something appends reports in order.
 * place: IDA_OK even when the outcome is a REJECTED or EXPIRED report. IDA_DUPLICATE: the id is open.
 * IDA_BAD: a field out of range (fields that its type does not use are not looked at; quantities go up to
 * INT64_MAX / (orders + 1)), or no such order to make a pair with. IDA_FULL: no room for the order or its reports, or
 * for the parts of an iceberg (4096 of all that are open); nothing happened. */
ida_status ida_match_place(ida_match *m, const ida_new_order *order, int64_t now);
/* IDA_UNKNOWN: not open. IDA_FULL: no room for the report. */
ida_status ida_match_cancel(ida_match *m, uint64_t order_id, int64_t now);
/* As cancel, but told as EXPIRED, IDA_R_PAIR. */
ida_status ida_match_expire(ida_match *m, uint64_t order_id, int64_t now);
/* All open orders of the account, oldest first, as far as there is room for reports; how many. */
size_t ida_match_cancel_all(ida_match *m, uint32_t account, int64_t now);
/* Lowers the quantity and keeps the place in the queue; an iceberg's shown part shrinks last. IDA_BAD: not filled (and prevented) < quantity < the
 * current one. */
ida_status ida_match_amend(ida_match *m, uint64_t order_id, int64_t quantity, int64_t now);
/* The recording moves on. IDA_FULL before anything has happened if there is no room for reports; IDA_STATE in a
 * whole market. depth: a diff or snapshot judged fit to apply (applied to `outside` here). IDA_RANGE, IDA_FULL as
 * ida_book_apply; IDA_RANGE also for a level at price 0. */
ida_status ida_match_depth(ida_match *m, const ida_depth *depth, int64_t now);
/* Off-book trades are passed over. IDA_BAD: price or quantity not above 0; nothing happened. */
ida_status ida_match_trade(ida_match *m, const ida_trade *trade, int64_t now);

/* Reports not yet read, oldest first; valid until the next call that changes something. */
const ida_report *ida_match_reports(const ida_match *m, size_t *count);
void ida_match_clear_reports(ida_match *m);
/* Displayed liquidity of orders placed here, aggregated by price. */
const ida_book *ida_match_own(const ida_match *m);
int64_t ida_match_last_price(const ida_match *m); /* -1 before the first trade */
int64_t ida_match_max_price(const ida_match *m);
/* The price an order pegged like this would have now; -1: there is none. */
int64_t ida_match_peg_price(const ida_match *m, int side, int peg, int offset);
/* Watches the last price: alarmed while it is at or below `low`, or at or above `high`. At first it never is. */
void ida_match_set_alarm(ida_match *m, int64_t low, int64_t high);
int ida_match_is_alarmed(const ida_match *m);
size_t ida_match_open(const ida_match *m, uint32_t account);
/* 1 and the order as it stands (leaves, ahead) in *out as a report, or 0 if it is not open. */
int ida_match_order(const ida_match *m, uint64_t order_id, ida_report *out);
/* Whole market: levels changed since the last call, each once, with their present quantity, as a diff without
 * ids and times: bids first. Returns the levels written; those beyond `most` stay for the next call. Who reads
 * after each call misses nothing; of an unread market the oldest changes and trades are forgotten in the end. */
size_t ida_match_changes(ida_match *m, ida_level *levels, size_t most, uint32_t *bids, uint32_t *asks);
/* Whole market: trades since the last call (price, quantity, aggressor's side in `flags`), oldest first. */
typedef struct ida_print { int64_t ts_venue_ns; int64_t trade_id; int64_t price; int64_t quantity; uint32_t buyer_is_maker; uint32_t pad; } ida_print;
size_t ida_match_prints(ida_match *m, ida_print *prints, size_t most);

#endif
