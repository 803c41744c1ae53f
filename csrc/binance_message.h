/* binance_message.h - internal to the Binance decoder: one message while it is walked. The walk notes where the
 * values lie and turns arrays of levels into levels on its way; afterwards the event says what they mean. */
#ifndef IDA_BINANCE_MESSAGE_H
#define IDA_BINANCE_MESSAGE_H
#include "binance_json.h"
#include "digits.h"

enum { IDA_PRICE = 0, IDA_QUANTITY = 1 };

/* A value: its text without quotes; type: '"', '0' a number, 't', 'f', 'n', '{' or '['. */
typedef struct ida_span {
    const char *at;
    uint32_t length;
    uint8_t type;
    uint8_t escaped;
} ida_span;

/* Slots of keys: a letter c has c - 'A'; what that leaves free is for the longer keys that matter. */
#define IDA_SLOT(c) ((c) - 'A')
enum {
    IDA_KEY_PU = 26, IDA_KEY_LAST_ID, IDA_KEY_BIDS, IDA_KEY_ASKS, IDA_KEY_SYMBOL, IDA_KEY_STREAM,
    IDA_KEY_DATA = 58, IDA_KEY_RESULT, IDA_KEY_ERROR, IDA_KEY_EVENT, IDA_KEY_ST, IDA_KEY_CODE
};

typedef struct ida_fields {
    uint64_t seen;
    ida_span at[64]; /* those seen */
} ida_fields;

/* A symbol and how its numbers are read. decimals: of the stored numbers; -1 while learning has seen none. */
typedef struct ida_symbol {
    ida_binance_symbol pub;
    ida_step step[2];
    int32_t decimals[2];
    int64_t seen[2]; /* numbers that taught the step */
    uint32_t index;
    uint32_t length; /* of the name */
} ida_symbol;

struct ida_binance {
    ida_symbol *symbols;
    size_t count;
    size_t capacity;
    uint32_t *slots;   /* by hash of the name: index + 1, or 0 */
    size_t mask;
    uint32_t last;     /* the symbol found last */
    int learning;
};

/* On a grid that rounds: quantities that were rounded, prices between two ticks. */
typedef struct ida_uneven {
    uint32_t rounded;
    uint32_t off_tick;
} ida_uneven;

enum { IDA_ALL_ELSE = 2 }; /* the part behind bids and asks */

typedef struct ida_message {
    const char *p;     /* where the walk stands */
    const char *text;
    const char *end;   /* of the message */
    const char *limit; /* of what may be read; at or after end */
    ida_status status; /* the first failure, and ... */
    const char *rule;  /* ... its rule and ... */
    const char *fault; /* ... byte */
    int32_t passable;

    ida_binance *decoder;
    ida_fields outer, inner, bar;
    ida_fields *payload; /* &inner in a combined message, else &outer */
    int32_t default_symbol;
    int32_t microseconds; /* 1, 0, or -1: told by magnitude */
    int64_t ts_local_ns;

    ida_symbol *symbol;  /* NULL: not yet known. Learning: points to `copy`, kept only if the message is good */
    ida_symbol copy;
    int32_t unit[2];     /* decimals of this record's numbers; lower than the symbol's where one would not fit */
    int32_t least[2];    /* decimals that a former try found to be needed */
    int32_t lowered[2];  /* by how many a former try found the unit to be too fine */
    int again;           /* another try would succeed with these */
    int off_book;        /* numbers teach nothing, and are floored */
    int trial;           /* only a look: it is decoded once more, and counted then */
    int part;            /* which of these the numbers are of */
    ida_uneven uneven[3]; /* bids, asks, all else */
    const char *between; /* a price of all else that lies between two ticks */

    ida_depth *depth;    /* levels are written behind it */
    uint32_t capacity;   /* levels that fit there */
    const ida_fields *listed; /* whose arrays they are */
    uint32_t count[2];   /* bids and asks written; asks only after bids */
    int lists;           /* how many arrays were written */
} ida_message;

/* Notes the first failure, for good. Answers its status. */
ida_status ida_message_fail(ida_message *m, ida_status status, const char *at, const char *rule);
/* Walks over the whole message. */
ida_status ida_message_walk(ida_message *m);
/* A string; m->p is its quote, afterwards the byte behind it. */
ida_status ida_message_string(ida_message *m, ida_span *span);
/* Writes the levels of one array; m->p is its '[' and afterwards the byte behind its end. */
ida_status ida_message_levels(ida_message *m, int side);
/* Text of a string value, escapes resolved into `scratch`; IDA_RANGE if it does not fit there. */
ida_status ida_message_text(const ida_span *span, char *scratch, size_t capacity, const char **text, size_t *length);

/* The next byte, or -1 at the message's end. */
static inline int ida_message_next(const ida_message *m)
{
    return m->p < m->end ? (unsigned char)*m->p : -1;
}

static inline void ida_message_space(ida_message *m)
{
    while (m->p < m->end && (unsigned char)*m->p <= ' ' &&
           (*m->p == ' ' || *m->p == '\n' || *m->p == '\r' || *m->p == '\t'))
        m->p++;
}

static inline int ida_fields_has(const ida_fields *f, int slot)
{
    return (int)(f->seen >> slot & 1);
}

/* A price (`kind` IDA_PRICE) or quantity in the record's units: ticks or lots, or while learning whole
 * 10^-unit. Negative ones are a failure of m; a price between two ticks is m->between where the grid rounds. */
int64_t ida_message_number(ida_message *m, int kind, const ida_span *span);
/* Looks up the name and makes it the message's symbol. 0: unknown. Learning: a new one is made up. */
int ida_message_take_symbol(ida_message *m, const char *name, size_t length);
/* Learning: what the numbers of a symbol are counted in, as far as it is known; done when it becomes the message's. */
void ida_message_units(ida_message *m);
/* The symbol as far as `f` tells at this point of the walk; 0: not yet to be told. */
int ida_message_find_symbol(ida_message *m, const ida_fields *f, int named_by_stream);

/* Makes the record that the event stands for. */
void ida_message_event(ida_message *m, void *out);
/* Learning: which market the symbol is of, as far as this message shows. */
void ida_message_market(ida_message *m, int kind);
/* The whole of it. decoder, text, end, limit, ts_local_ns, default_symbol, microseconds and trial are set before. */
ida_status ida_message_decode(ida_message *m, void *out, size_t capacity);

#endif
