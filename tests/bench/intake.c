/* Messages, a line each, through the intake over one and over four connections, and on into a market; says what one cost.
 * intake MESSAGES ROUNDS [CONNECTIONS]: prints a line per round: ns per message by one connection, by four (each message
 * four times, by turns first), of a duplicate alone. With CONNECTIONS, for a profiler, that many only. The time is the
 * thread's own; the symbol is BTCUSDT of spot. */
#include "binance_intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_PRICE = 20000000, PAGES = 65536, ROOM = 32 << 20, MOST = 1 << 20, FOUR = 4 };

typedef struct line {
    const char *text;
    size_t bytes;
} line;

static line lines[MOST];
static const char *const streams[] = {"btcusdt@depth@100ms", "btcusdt@trade", "btcusdt@bookTicker"};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static size_t read_lines(const char *path)
{
    size_t count = 0, bytes = 0;
    FILE *file = fopen(path, "rb");
    char *all = file && !fseek(file, 0, SEEK_END) ? malloc(bytes = (size_t)ftell(file)) : NULL;
    if (!all || fseek(file, 0, SEEK_SET) || fread(all, 1, bytes, file) != bytes)
        exit(1);
    for (char *at = all, *end; count < MOST && (end = memchr(at, '\n', bytes - (size_t)(at - all))); at = end + 1)
        lines[count++] = (line){at, (size_t)(end - at)};
    return count;
}

static int is_answer(const line *l)
{
    return l->bytes > 2 && l->text[2] == 'l';
}

static void feed(ida_intake *intake, const line *l, uint32_t connections, size_t turn)
{
    ida_binance_problem problem;
    if (is_answer(l)) {
        if (ida_intake_snapshot(intake, 0, l->text, l->bytes, (int64_t)turn * 1000, &problem))
            exit(1);
        return;
    }
    for (uint32_t c = 0; c < connections; c++)
        if (ida_intake_sink(ida_intake_source_of(intake, (uint32_t)(c + turn) % connections), l->text, l->bytes,
                            (int64_t)turn * 1000))
            exit(1);
}

/* ns per message that is not a duplicate; *again: of a duplicate, in a pass of its own behind. */
static double take(size_t count, uint32_t connections, double *again)
{
    uint32_t index;
    ida_binance_symbol symbol = {.name = "BTCUSDT", .market = IDA_SPOT, .grid = {2, 6, 1, 1}};
    ida_binance *decoder = ida_binance_new(1, 0);
    ida_inlet *inlet = ida_inlet_new(ROOM, 1);
    ida_market *market = ida_market_new(IDA_CHAIN_CONTIGUOUS, PAGES, MAX_PRICE, ROOM);
    if (!decoder || !inlet || !market || ida_binance_add(decoder, &symbol, &index))
        exit(1);
    ida_intake *intake = ida_intake_new(decoder, inlet, 16, FOUR, 250000000, ROOM);
    if (!intake)
        exit(1);
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        ida_intake_add_stream(intake, streams[i], 0, &index);
    double began = now_ns();
    for (size_t i = 0; i < count; i++) {
        feed(intake, &lines[i], connections, i);
        ida_inlet_drain(inlet, &market);
    }
    double took = (now_ns() - began) / (double)count;
    began = now_ns();
    for (size_t i = 0; again && i < count; i++)
        if (!is_answer(&lines[i]))
            ida_intake_sink(ida_intake_source_of(intake, 1), lines[i].text, lines[i].bytes, 0);
    if (!ida_market_look(market)->synced || ida_market_sync(market)->gaps)
        exit(1);
    if (again)
        *again = (now_ns() - began) / (double)count;
    ida_intake_free(intake);
    ida_market_free(market);
    ida_inlet_free(inlet);
    ida_binance_free(decoder);
    return took;
}

int main(int count, char **words)
{
    if (count != 3 && count != 4)
        return 2;
    double again;
    size_t messages = read_lines(words[1]);
    if (!messages)
        return 1;
    for (int i = atoi(words[2]); i > 0; i--) {
        if (count == 4) {
            printf("%f\n", take(messages, (uint32_t)atoi(words[3]), NULL));
            continue;
        }
        double one = take(messages, 1, NULL), four = take(messages, FOUR, &again);
        printf("%f %f %f\n", one, four, again);
    }
    return 0;
}
