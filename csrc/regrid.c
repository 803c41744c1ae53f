#include "regrid.h"

typedef __int128 wide;

/* One record's share of a grid, its own decimals included. */
typedef struct scale {
    wide multiply[2];
    wide divide[2];
    int rounds;
} scale;

static scale scale_of(const ida_regrid *grid, const ida_record *record)
{
    scale s = {{grid->multiply[0], grid->multiply[1]}, {grid->divide[0], grid->divide[1]}, 0};
    s.rounds = record->kind == IDA_TRADE && record->flags & IDA_FLAG_OFF_BOOK;
    for (int i = 0; i < 2; i++) {
        int32_t own = (int32_t)(record->crc >> 8 * i & 0xff);
        for (; own < grid->decimals[i]; own++)
            s.multiply[i] *= 10;
        for (; grid->decimals[i] >= 0 && own > grid->decimals[i]; own--) /* an off-book number, which taught nothing */
            s.divide[i] *= 10;
    }
    return s;
}

static ida_status move(const scale *s, int which, int64_t *value)
{
    wide v;
    if (__builtin_mul_overflow((wide)*value, s->multiply[which], &v))
        return IDA_RANGE;
    if (v % s->divide[which] && !s->rounds)
        return IDA_OFF_GRID;
    v /= s->divide[which];
    if (v > INT64_MAX || v < INT64_MIN)
        return IDA_RANGE;
    *value = (int64_t)v;
    return IDA_OK;
}

/* Numbers that stand next to each other: `pattern` names them, p a price and q a quantity. */
static ida_status move_all(const scale *s, int64_t *values, const char *pattern)
{
    ida_status status = IDA_OK;
    for (; *pattern && status == IDA_OK; pattern++, values++)
        status = move(s, *pattern == 'q', values);
    return status;
}

static ida_status move_levels(const scale *s, ida_depth *depth)
{
    ida_status status = IDA_OK;
    uint32_t count = depth->bids + depth->asks;
    for (uint32_t i = 0; i < count && status == IDA_OK; i++)
        status = move_all(s, &depth->levels[i].price, "pq");
    return status;
}

static ida_status move_record(const scale *s, ida_record *record)
{
    switch (record->kind) {
    case IDA_SNAPSHOT:
    case IDA_DEPTH:
    case IDA_PARTIAL:
        return move_levels(s, (ida_depth *)record);
    case IDA_TRADE:
        return move_all(s, &((ida_trade *)record)->price, "pq");
    case IDA_QUOTE:
        return move_all(s, &((ida_quote *)record)->bid, "pqpq");
    case IDA_BAR:
        return move_all(s, &((ida_bar *)record)->open, "ppppqq");
    case IDA_TICKER:
        return move_all(s, &((ida_ticker *)record)->open, "ppppq");
    default:
        return IDA_OK;
    }
}

ida_status ida_regrid_records(void *records, size_t bytes, const ida_regrid *grids, uint32_t instruments,
                              uint64_t *where)
{
    for (size_t at = 0; at < bytes;) {
        ida_record *record = (ida_record *)((char *)records + at);
        *where = at;
        if (record->instrument >= instruments)
            return IDA_UNKNOWN;
        scale s = scale_of(&grids[record->instrument], record);
        ida_status status = move_record(&s, record);
        if (status != IDA_OK)
            return status;
        record->crc = 0;
        at += record->length;
    }
    return IDA_OK;
}
