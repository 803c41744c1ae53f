/* needs: binance_json binance_events binance_levels binance_market binance_message json decimal */
/* Any bytes are a status: no read beyond them, no write beyond the room, and the same answer twice. */
#include "binance_json.h"

#include <stdlib.h>
#include <string.h>

enum { SYMBOLS = 4, ROOM = 1 << 14 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ida_status decode(const char *text, size_t size, int learning, ida_record *out)
{
    ida_binance *decoder = ida_binance_new(SYMBOLS, learning);
    ida_binance_symbol btc = {.name = "BTCUSDT", .grid = {2, 5, 1, 1}, .market = IDA_MARKET_UNKNOWN};
    ida_binance_problem problem = {0};
    uint32_t index;

    if (decoder == NULL || ida_binance_add(decoder, &btc, &index) != IDA_OK)
        abort();
    ida_status status = ida_binance_decode(decoder, text, size, 1, 0, 0, out, ROOM, &problem);
    if (status == IDA_OK) {
        if (out->length > ROOM || out->length < sizeof *out || out->length % 8 != 0)
            abort();
        if (out->instrument >= ida_binance_symbols(decoder))
            abort();
    } else if (problem.rule == NULL || problem.offset > size) {
        abort();
    }
    ida_binance_free(decoder);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1); /* of just that size: the sanitizer sees a byte too many */
    char *first = malloc(ROOM), *second = malloc(ROOM);

    if (text == NULL || first == NULL || second == NULL)
        abort();
    memcpy(text, data, size);
    for (int learning = 0; learning < 2; learning++) {
        ida_status status = decode(text, size, learning, (ida_record *)first);
        if (status != decode(text, size, learning, (ida_record *)second))
            abort();
        if (status == IDA_OK && memcmp(first, second, ((ida_record *)first)->length) != 0)
            abort();
    }
    free(text);
    free(first);
    free(second);
    return 0;
}
