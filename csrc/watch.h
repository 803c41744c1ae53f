/* watch.h - which market records wake a subscriber, and which are applied silently. One per instrument. */
#ifndef IDA_WATCH_H
#define IDA_WATCH_H
#include "market.h"

enum ida_subscription {
    IDA_SUB_BOOK = 1,    /* every record that changed the book */
    IDA_SUB_TOP = 2,     /* those that changed best bid or ask */
    IDA_SUB_TRADE = 4,   /* on-book trades */
    IDA_SUB_QUOTE = 8,
    IDA_SUB_BAR = 16,
    IDA_SUB_MARK = 32,
    IDA_SUB_TICKER = 64,
    IDA_SUB_ALL = 128    /* every record as it comes, whatever it changed: for who passes them on */
    /* changes of state (in step or not, gaps) always wake */
};

enum ida_waking {
    IDA_SILENT = 0,
    IDA_WAKE_BOOK = 1,   /* the book changed as subscribed */
    IDA_WAKE_RECORD = 2, /* the record itself is subscribed to */
    IDA_WAKE_STATE = 3   /* in step or not, a gap, a fault */
};

/* Plain data, owned by whoever embeds it; all zero is a watch that only wakes for changes of state.
 * interval_ns: with BOOK or TOP at most one waking per interval, the first at once, the last one never lost. */
typedef struct ida_watch {
    int64_t interval_ns;
    int64_t due_ns;       /* no waking for the book before that, while an interval is set */
    uint32_t subscription;
    int32_t waiting;      /* ida_change bits kept back, to be told at due_ns; 0: none */
} ida_watch;

/* After ida_market_apply(record) answered `changes` at local time now. */
int ida_watch_judge(ida_watch *watch, const ida_record *record, int changes, int64_t now);
/* When a kept-back change is to be told, or INT64_MAX. */
int64_t ida_watch_due(const ida_watch *watch);
/* Takes it: the ida_change bits that had been kept back. */
int ida_watch_take(ida_watch *watch);

#endif
