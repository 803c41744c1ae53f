/* needs: binance_lines binance_json binance_events binance_levels binance_market binance_message json decimal survey regrid feed crc maths */
/* The bytes of a recording, on the importer's whole way: lines to records while learning, the survey, the grids that
 * were learned, the seal. What comes out is a sound feed; in pieces comes the same as in one; and a second pass that
 * knows the grids gives the records that learning and moving gave. */
#include "binance_lines.h"
#include "feed.h"
#include "fuzz.h"
#include "regrid.h"
#include "survey.h"

enum { SYMBOLS = 8, STREAMS = 4, ROOM = 1 << 20, LINES = 64, DELAYS = 64 };

typedef struct result {
    _Alignas(8) char records[ROOM];
    size_t bytes;
    int64_t count, lines;
    uint64_t story; /* of what was said of each line */
    int full, failed;
} result;

static result whole, pieces, known;

/* A text that ends with its last line, as far as one piece goes. */
static size_t piece_end(const char *text, size_t size, size_t from, size_t piece)
{
    size_t at = size - from < piece ? size : from + piece;
    const char *newline = at < size ? memchr(text + at, '\n', size - at) : NULL;
    return newline ? (size_t)(newline + 1 - text) : size;
}

static void note(result *r, const ida_binance_pass *pass, ida_status status, const ida_binance_problem *problem)
{
    int64_t told[] = {pass->line, status, 0, 0};
    if (status != IDA_OK) {
        HOLDS(problem->rule && problem->offset <= pass->length);
        told[2] = problem->offset;
        told[3] = problem->passable;
        r->failed = 1;
    }
    r->story = fuzz_hash(r->story, told, sizeof told);
}

static void take(ida_binance *decoder, const char *text, size_t size, size_t piece, result *r)
{
    ida_binance_pass pass = {.default_symbol = 0};
    ida_binance_streams *streams = ida_binance_streams_new(STREAMS);
    uint32_t lines[LINES];
    HOLDS(streams);
    r->bytes = r->full = r->failed = 0;
    r->story = 0;
    for (size_t from = 0; from < size && !r->full;) {
        ida_binance_problem problem = {0};
        size_t end = piece_end(text, size, from, piece);
        ida_status status = ida_binance_take_lines(decoder, &pass, streams, text + from, end - from,
                                                   r->records + r->bytes, ROOM - r->bytes, lines, LINES, &problem);
        HOLDS(pass.taken <= end - from && pass.made <= ROOM - r->bytes && pass.count <= LINES);
        for (size_t i = 0; i < pass.count; i++)
            HOLDS(lines[i] > 0 && lines[i] <= pass.line && (i == 0 || lines[i] > lines[i - 1]));
        r->bytes += pass.made;
        from += pass.taken;
        if (status == IDA_FULL)
            r->full = pass.taken == 0;
        else if (status != IDA_OK)
            note(r, &pass, status, &problem);
        else if (end == size)
            break;
    }
    r->count = pass.records;
    r->lines = pass.line;
    HOLDS(ida_binance_streams_count(streams) <= STREAMS);
    ida_binance_streams_free(streams);
}

static ida_binance *learner(void)
{
    ida_binance *decoder = ida_binance_new(SYMBOLS, 1);
    ida_binance_symbol btc = {.name = "BTCUSDT", .market = IDA_MARKET_UNKNOWN};
    uint32_t index;
    HOLDS(decoder && ida_binance_add(decoder, &btc, &index) == IDA_OK);
    return decoder;
}

/* As the importer: whole 10^-decimals onto the steps that were found. */
static ida_status move(const ida_binance *decoder, result *r)
{
    ida_regrid grids[SYMBOLS];
    uint64_t where;
    size_t count = ida_binance_symbols(decoder);
    for (uint32_t i = 0; i < count; i++) {
        ida_grid found = ida_binance_look(decoder, i)->grid;
        grids[i] = (ida_regrid){{1, 1}, {found.tick ? found.tick : 1, found.lot ? found.lot : 1},
                                {found.price_decimals, found.quantity_decimals}};
    }
    ida_status status = ida_regrid_records(r->records, r->bytes, grids, (uint32_t)count, &where);
    HOLDS(status == IDA_OK || status == IDA_RANGE);
    return status;
}

static void survey(const result *r, uint32_t instruments)
{
    ida_survey seen;
    ida_survey_prices prices[SYMBOLS];
    int64_t delays[DELAYS], records = 0;
    size_t count = ida_survey_records(r->records, r->bytes, &seen, prices, instruments, delays, DELAYS);
    HOLDS(seen.records == r->count && count <= DELAYS && seen.first_local_ns <= seen.last_local_ns);
    for (size_t i = 1; i < count; i++)
        HOLDS(delays[i - 1] <= delays[i]);
    for (uint32_t i = 0; i < instruments; i++)
        records += prices[i].records;
    HOLDS(records == r->count);
}

/* The file that the feed writer would leave. */
static void check_feed(const result *r)
{
    char *file = calloc(1, sizeof(ida_feed_header) + r->bytes + (size_t)r->count * sizeof(uint64_t) + 1);
    HOLDS(file);
    ida_feed_header *h = (ida_feed_header *)file;
    memcpy(h->magic, "IDAFEED2", sizeof h->magic);
    h->records_offset = sizeof *h;
    h->records_bytes = r->bytes;
    h->records = (uint64_t)r->count;
    h->order_offset = sizeof *h + r->bytes;
    memcpy(file + sizeof *h, r->records, r->bytes);
    h->order = ida_feed_seal(file + sizeof *h, r->bytes, (uint64_t *)(file + h->order_offset));
    h->meta_offset = h->order_offset + h->order * sizeof(uint64_t);
    uint64_t where;
    HOLDS(ida_feed_check(file, h->meta_offset, &where) == IDA_OK);
    free(file);
}

/* The same lines by a decoder that is told what the first one learned. */
static void take_again(const ida_binance *learned, const char *text, size_t size)
{
    ida_binance *decoder = ida_binance_new(SYMBOLS, 0);
    HOLDS(decoder);
    for (uint32_t i = 0; i < ida_binance_symbols(learned); i++) {
        ida_binance_symbol symbol = *ida_binance_look(learned, i);
        uint32_t index;
        symbol.grid.tick = symbol.grid.tick ? symbol.grid.tick : 1;
        symbol.grid.lot = symbol.grid.lot ? symbol.grid.lot : 1;
        HOLDS(ida_binance_add(decoder, &symbol, &index) == IDA_OK && index == i);
    }
    take(decoder, text, size, SIZE_MAX, &known);
    ida_binance_free(decoder);
    if (known.failed)
        return;
    HOLDS(known.bytes == whole.bytes);
    HOLDS(!memcmp(known.records, whole.records, whole.bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    ida_binance *decoder = learner(), *other = learner();
    take(decoder, text, size, SIZE_MAX, &whole);
    take(other, text, size, 64, &pieces);
    HOLDS(whole.full == pieces.full && whole.bytes == pieces.bytes && whole.lines == pieces.lines);
    HOLDS(whole.story == pieces.story && !memcmp(whole.records, pieces.records, whole.bytes));
    if (!whole.full && move(decoder, &whole) == IDA_OK) {
        survey(&whole, (uint32_t)ida_binance_symbols(decoder));
        check_feed(&whole);
        if (!whole.failed)
            take_again(decoder, text, size);
    }
    ida_binance_free(decoder);
    ida_binance_free(other);
    free(text);
    return 0;
}
