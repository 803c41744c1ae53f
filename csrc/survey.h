/* survey.h - looks over recorded market data once: how much there is of what, from when to when, at which prices
 * and how late it came. */
#ifndef IDA_SURVEY_H
#define IDA_SURVEY_H
#include "record.h"

typedef struct ida_survey {
    int64_t records;
    int64_t count[10];       /* by ida_kind 1..9 (index kind) */
    int64_t off_book;        /* trades that were flagged so */
    int64_t first_local_ns;  /* -1 without records */
    int64_t last_local_ns;
    int64_t delayed;         /* records with venue time */
} ida_survey;

/* Prices of one instrument in ticks: of the first trade, quote or snapshot, and the highest of them and of all
 * levels; -1 before any. Off-book trades, bars and tickers have no say. */
typedef struct ida_survey_prices {
    int64_t first;
    int64_t highest;
    int64_t records;
} ida_survey_prices;

/* delays: gets local minus venue time of records that have both, sorted; of as many as fit, evenly spread.
 * Answers how many. prices: one per instrument; records of others are counted, but leave no price. */
size_t ida_survey_records(const void *records, size_t bytes, ida_survey *survey, ida_survey_prices *prices,
                          uint32_t instruments, int64_t *delays, size_t capacity);
/* Lowest and highest id of one instrument's records of a kind: update ids of IDA_DEPTH, the exchange's single trades
 * of IDA_TRADE. Below 1 is none. 0, and nothing written, where there is none or the kind has no ids. */
int ida_survey_ids(const void *records, size_t bytes, uint32_t instrument, int kind, int64_t *lowest, int64_t *highest);

#endif
