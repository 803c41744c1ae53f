/* Decodes depth messages, a line each, and applies them to a book; says how long one took.
 * decode_apply MESSAGES ROUNDS: prints a line per round: ns per message of the decoder alone, of both; a first pass
 * fills the memory and the book. The time is the thread's own. */
#include "binance_json.h"
#include "book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_PRICE = 10000000, PAGES = 16384, ROOM = 1 << 20, MOST = 1 << 20 };

typedef struct line {
    const char *text;
    size_t bytes;
} line;

static line lines[MOST];
static _Alignas(8) char record[ROOM];

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

/* ns per message. */
static double take(ida_binance *decoder, ida_book *book, size_t count)
{
    ida_binance_problem problem;
    double began = now_ns();
    for (size_t i = 0; i < count; i++) {
        if (ida_binance_decode(decoder, lines[i].text, lines[i].bytes, 0, -1, 0, record, ROOM, &problem))
            exit(1);
        if (book && ida_book_apply(book, (const ida_depth *)record))
            exit(1);
    }
    return (now_ns() - began) / (double)count;
}

int main(int count, char **words)
{
    if (count != 3)
        return 2;
    uint32_t index;
    ida_binance_symbol symbol = {.name = "BTCUSDT", .market = IDA_USDM};
    symbol.grid = (ida_grid){.price_decimals = 1, .quantity_decimals = 3, .tick = 1, .lot = 1};
    size_t messages = read_lines(words[1]);
    ida_binance *decoder = ida_binance_new(1, 0);
    ida_book *book = ida_book_new(PAGES, MAX_PRICE);
    if (!messages || !decoder || !book || ida_binance_add(decoder, &symbol, &index))
        return 1;
    take(decoder, book, messages);
    for (int i = atoi(words[2]); i > 0; i--) {
        double decoding = take(decoder, NULL, messages);
        printf("%f %f\n", decoding, take(decoder, book, messages));
    }
    ida_book_free(book);
    ida_binance_free(decoder);
    return 0;
}
