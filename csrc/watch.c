#include "watch.h"

static const uint32_t subscription_of[IDA_MARKET_KINDS] = {
    [IDA_TRADE] = IDA_SUB_TRADE, [IDA_QUOTE] = IDA_SUB_QUOTE, [IDA_BAR] = IDA_SUB_BAR,
    [IDA_MARK] = IDA_SUB_MARK, [IDA_TICKER] = IDA_SUB_TICKER,
};

enum {
    STATE_CHANGES = IDA_CHANGED_STATE | IDA_CHANGED_GAP | IDA_CHANGED_FAULT | IDA_CHANGED_CROSSED | IDA_CHANGED_DISPROVED
};

/* A time that is no time stays the last one there is. */
static int64_t later(int64_t at_ns, int64_t interval_ns)
{
    int64_t sum;
    return __builtin_add_overflow(at_ns, interval_ns, &sum) ? INT64_MAX : sum;
}

static int judge_book(ida_watch *watch, int changes, int64_t now)
{
    int wanted = ((watch->subscription & IDA_SUB_BOOK) ? IDA_CHANGED_BOOK : 0)
               | ((watch->subscription & IDA_SUB_TOP) ? IDA_CHANGED_TOP : 0);
    if (!(changes & IDA_CHANGED_BOOK) || !(changes & wanted))
        return IDA_SILENT;
    if (watch->interval_ns > 0 && now < watch->due_ns) {
        watch->waiting |= changes;
        return IDA_SILENT;
    }
    watch->waiting = 0;
    watch->due_ns = later(now, watch->interval_ns);
    return IDA_WAKE_BOOK;
}

int ida_watch_judge(ida_watch *watch, const ida_record *record, int changes, int64_t now)
{
    if (watch->subscription & IDA_SUB_ALL)
        return IDA_WAKE_RECORD;
    if (changes & STATE_CHANGES) {
        watch->waiting = 0; /* of a book that is no more */
        return IDA_WAKE_STATE;
    }
    if (record->kind == IDA_DEPTH || record->kind == IDA_SNAPSHOT)
        return judge_book(watch, changes, now);
    if (record->kind >= IDA_MARKET_KINDS || (record->flags & IDA_FLAG_OFF_BOOK))
        return IDA_SILENT;
    return (watch->subscription & subscription_of[record->kind]) ? IDA_WAKE_RECORD : IDA_SILENT;
}

int64_t ida_watch_due(const ida_watch *watch)
{
    return watch->waiting ? watch->due_ns : INT64_MAX;
}

int ida_watch_take(ida_watch *watch)
{
    int changes = watch->waiting;
    watch->waiting = 0;
    watch->due_ns = later(watch->due_ns, watch->interval_ns);
    return changes;
}
