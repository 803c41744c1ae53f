/* Runs a fuzz target where there is no libFuzzer, with the few of its options that are used here:
 *     PROGRAM -runs=N -max_total_time=S -seed=N -artifact_prefix=PATH FOLDER|FILE...
 * Files are run as they are: so a crash is seen again. Folders are what is begun with: each file once, then changed
 * ones. Compiled with -fsanitize-coverage=trace-pc it keeps those that met new code; without, it is blind. With -runs
 * alone the same happens each time. This file itself must not be compiled so. */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));
void __sanitizer_cov_trace_pc(void);
const char *__ubsan_default_options(void);

enum { SEEDS = 4096, ROOM = 4096, EDGES = 1 << 16, MOST_SECONDS = 20 };

static struct { uint8_t *bytes; size_t size; } seeds[SEEDS];
static uint8_t input[ROOM], hits[EDGES], known[EDGES];
static uint32_t touched[EDGES];
static size_t count, size, touched_count, features;
static uintptr_t previous;
static uint64_t state = 0x9E3779B97F4A7C15u;
static const char *prefix = "crash-";

/* ---- which code an input met ----------------------------------------------------------------------------------- */

/* From one block to the next, how often: told apart by power of two. Addresses count from the target's, since the
 * program lies elsewhere each time. */
void __sanitizer_cov_trace_pc(void)
{
    uintptr_t here = (uintptr_t)__builtin_return_address(0) - (uintptr_t)LLVMFuzzerTestOneInput;
    uint32_t edge = (uint32_t)((here * 0x9E3779B1u ^ previous) % EDGES);
    previous = here * 0x9E3779B1u >> 1;
    if (!hits[edge])
        touched[touched_count++] = edge;
    hits[edge] += hits[edge] < 255;
}

static int run_input(void)
{
    size_t before = features;
    alarm(MOST_SECONDS);
    previous = touched_count = 0;
    LLVMFuzzerTestOneInput(input, size);
    for (size_t i = 0; i < touched_count; i++) {
        uint8_t times = hits[touched[i]], level = (uint8_t)(1u << (times > 127 ? 7 : times > 31 ? 6 : times > 15 ? 5
                        : times > 7 ? 4 : times > 3 ? 3 : times - 1));
        features += !(known[touched[i]] & level);
        known[touched[i]] |= level;
        hits[touched[i]] = 0;
    }
    return features > before;
}

/* ---- inputs ---------------------------------------------------------------------------------------------------- */

static size_t below(size_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return bound ? (size_t)(state % bound) : 0;
}

static void keep(void)
{
    size_t at = count < SEEDS ? count++ : below(SEEDS);
    free(seeds[at].bytes);
    seeds[at].bytes = malloc(size ? size : 1);
    seeds[at].size = seeds[at].bytes ? size : 0;
    if (seeds[at].bytes)
        memcpy(seeds[at].bytes, input, size);
}

static uint64_t name_of_input(void)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ input[i]) * 1099511628211u;
    return hash;
}

static void keep_crash(void)
{
    char path[4096];
    snprintf(path, sizeof path, "%s%016llx", prefix, (unsigned long long)name_of_input());
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return;
    fwrite(input, 1, size, file);
    fclose(file);
    fprintf(stderr, "Test unit written to %s\n", path);
}

static void end_by_signal(int number)
{
    if (number == SIGALRM)
        fprintf(stderr, "still at it after %d seconds\n", MOST_SECONDS);
    keep_crash();
    _exit(1);
}

static int read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return 0;
    size = fread(input, 1, ROOM, file);
    fclose(file);
    return 1;
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

/* Each file once, in the order of their names. */
static unsigned long run_folder(const char *folder)
{
    struct dirent **entries;
    int found = scandir(folder, &entries, NULL, by_name);
    unsigned long runs = 0;
    for (int i = 0; i < found; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && read_file(path)) {
            run_input();
            keep();
            runs++;
        }
        free(entries[i]);
    }
    if (found >= 0)
        free(entries);
    return runs;
}

/* ---- changes --------------------------------------------------------------------------------------------------- */

static void insert(size_t at, const void *bytes, size_t length)
{
    if (size + length > ROOM)
        return;
    memmove(input + at + length, input + at, size - at);
    memcpy(input + at, bytes, length);
    size += length;
}

static void erase(size_t at, size_t length)
{
    length = length < size - at ? length : size - at;
    memmove(input + at, input + at + length, size - at - length);
    size -= length;
}

static void change(void)
{
    static const char *const words[] = {"\"", "{", "}", "[", "]", ",", ":", "-", ".", "0", "9", "null", "\\u00e9", "1e9",
                                        "9223372036854775807", "\n", "\xff", "\xfe", "\xff\xff\xff\x7f"};
    const char *word = words[below(sizeof words / sizeof *words)];
    size_t at = below(size + 1), length = 1 + below(16), other = below(count);
    uint8_t byte = (uint8_t)below(256), piece[ROOM];
    switch (below(9)) {
    case 0: input[at < size ? at : 0] ^= (uint8_t)(1u << below(8)); break;
    case 1: input[at < size ? at : 0] = byte; break;
    case 2: size = at; break;
    case 3: erase(at, length); break;
    case 4: insert(at, &byte, 1); break;
    case 5: /* a piece of its own once more */
        length = length < size - at ? length : size - at;
        memcpy(piece, input + at, length);
        insert(below(size + 1), piece, length);
        break;
    case 6: /* the rest from another one */
        length = seeds[other].size > at ? seeds[other].size - at : 0;
        memcpy(input + at, seeds[other].bytes + seeds[other].size - length, length);
        size = at + length;
        break;
    case 7: /* a little up or down, as a number of any width */
        input[at < size ? at : 0] += (uint8_t)(below(9) - 4);
        break;
    default: insert(at, word, strlen(word));
    }
}

static void take_seed(void)
{
    size_t seed = below(2) ? below(count) : count - 1 - below(count < 64 ? count : 64); /* mostly the newest */
    size = seeds[seed].size;
    memcpy(input, seeds[seed].bytes, size);
    for (size_t times = 1 + below(6); times > 0; times--)
        change();
}

/* ---- the command ----------------------------------------------------------------------------------------------- */

static const char *option(const char *argument, const char *name)
{
    size_t length = strlen(name);
    return strncmp(argument, name, length) ? NULL : argument + length;
}

/* So that a fault of its kind ends as the others do. */
const char *__ubsan_default_options(void) { return "abort_on_error=1:print_stacktrace=1"; }

int main(int argc, char **argv)
{
    unsigned long most = ~0ul, seconds = ~0ul, runs = 0, folders = 0;
    time_t begin = time(NULL);
    const char *text;
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(keep_crash);
    signal(SIGABRT, end_by_signal);
    signal(SIGALRM, end_by_signal);
    for (int i = 1; i < argc; i++) {
        if ((text = option(argv[i], "-runs=")))
            most = strtoul(text, NULL, 10);
        else if ((text = option(argv[i], "-max_total_time=")))
            seconds = strtoul(text, NULL, 10);
        else if ((text = option(argv[i], "-seed=")))
            state ^= strtoull(text, NULL, 10) * 0xBF58476D1CE4E5B9u;
        else if ((text = option(argv[i], "-artifact_prefix=")))
            prefix = text;
    }
    for (int i = 1; i < argc; i++) {
        DIR *folder = argv[i][0] == '-' ? NULL : opendir(argv[i]);
        if (folder != NULL) {
            closedir(folder);
            runs += run_folder(argv[i]);
            folders++;
        } else if (argv[i][0] != '-') {
            if (!read_file(argv[i]))
                return fprintf(stderr, "%s: cannot be read\n", argv[i]), 2;
            run_input();
            runs++;
        }
    }
    if (folders && !count) {
        size = 0;
        keep();
    }
    while (count && runs < most && (unsigned long)(time(NULL) - begin) < seconds) {
        take_seed();
        runs++;
        if (run_input())
            keep();
    }
    if (folders && features)
        fprintf(stderr, "#%lu DONE cov: %zu ft: %zu corp: %zu\n", runs, features, features, count);
    fprintf(stderr, "Done %lu runs in %lu second(s)\n", runs, (unsigned long)(time(NULL) - begin));
    return 0;
}
