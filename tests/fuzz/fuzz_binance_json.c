/* needs: binance_json binance_events binance_levels binance_market binance_message json decimal crc feed */
/* Any bytes are a status: no read beyond them, no write beyond the room, the same answer twice; a record that was
 * made is whole, and a decoder that knows the grid never learns. */
#include "binance_json.h"
#include "feed.h"
#include "fuzz.h"

enum { SYMBOLS = 4, ROOM = 1 << 12, LARGE_ROOM = 1 << 20 };

static _Alignas(8) char first[LARGE_ROOM], second[LARGE_ROOM];

/* learning, default_symbol, microseconds and a grid that rounds, as the ways of calling have them */
static ida_status decode(const char *text, size_t size, int way, size_t room, ida_record *out)
{
    ida_binance *decoder = ida_binance_new(SYMBOLS, way & 1);
    ida_binance_symbol btc = {.name = "BTCUSDT", .grid = {2, 5, 1, 1}, .market = IDA_MARKET_UNKNOWN, .rounds = way >> 2};
    ida_binance_problem problem = {0};
    uint32_t index;

    HOLDS(decoder && ida_binance_add(decoder, &btc, &index) == IDA_OK);
    ida_status status = ida_binance_decode(decoder, text, size, 1, way & 2 ? -1 : 0, way & 1, out, room, &problem);
    if (status == IDA_OK) {
        HOLDS(out->length <= room && out->instrument < ida_binance_symbols(decoder));
        HOLDS(way & 1 || ida_binance_symbols(decoder) == 1);
        HOLDS(out->ts_local_ns == 1);
        uint32_t units = out->crc;
        ida_record_seal(out);
        HOLDS(ida_record_is_sound(out, out->length) && out->kind < IDA_MARKET_KINDS);
        out->crc = units;
    } else {
        HOLDS(problem.rule && problem.offset <= size && problem.status == (int32_t)status);
        HOLDS(!(way & 4) || status != IDA_OFF_GRID || problem.passable);
    }
    ida_binance_free(decoder);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    for (int way = 0; way < 6; way++) {
        size_t room = ROOM;
        ida_status status = decode(text, size, way, room, (ida_record *)first);
        if (status == IDA_FULL)
            status = decode(text, size, way, room = LARGE_ROOM, (ida_record *)first);
        HOLDS(status == decode(text, size, way, room, (ida_record *)second));
        HOLDS(status != IDA_OK || !memcmp(first, second, ((ida_record *)first)->length));
    }
    free(text);
    return 0;
}
