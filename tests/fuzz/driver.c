/* Runs a fuzz target where there is no libFuzzer: mutates the files it is given, by a fixed seed, for some seconds.
 * Blind to coverage, but under the sanitizers all the same. What kills it is left in build/crash. */
#include <dirent.h>
#include <sanitizer/common_interface_defs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEEDS = 256, ROOM = 1 << 16 };
static uint8_t *seeds[SEEDS], input[ROOM];
static size_t sizes[SEEDS], count, size;
static uint64_t state = 0x9E3779B97F4A7C15u;

static size_t below(size_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return bound ? (size_t)(state % bound) : 0;
}

static void keep_input(void)
{
    FILE *file = fopen("build/crash", "wb");
    if (file != NULL) {
        fwrite(input, 1, size, file);
        fclose(file);
    }
}

static void load(const char *folder)
{
    struct dirent *entry;
    DIR *directory = opendir(folder);
    while (directory != NULL && count < SEEDS && (entry = readdir(directory)) != NULL) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (file == NULL)
            continue;
        seeds[count] = malloc(ROOM);
        sizes[count] = seeds[count] == NULL ? 0 : fread(seeds[count], 1, ROOM, file);
        count += sizes[count] > 0;
        fclose(file);
    }
    if (directory != NULL)
        closedir(directory);
}

static void mutate(void)
{
    static const char *const words[] = {"\"", "{", "}", "[", "]", ",", ":", "-", ".", "0", "9", "null", "\\u00e9", "1e9"};
    const char *word = words[below(sizeof words / sizeof *words)];
    size_t at = below(size + 1), length = below(16), other = below(count);
    switch (below(6)) {
    case 0: /* flip a bit */
        input[at < size ? at : 0] ^= (uint8_t)(1u << below(8));
        break;
    case 1: /* cut the end off */
        size = at;
        break;
    case 2: /* take some out */
        length = length < size - at ? length : size - at;
        memmove(input + at, input + at + length, size - at - length);
        size -= length;
        break;
    case 3: /* the rest from another seed */
        length = sizes[other] > at ? sizes[other] - at : 0;
        memcpy(input + at, seeds[other] + sizes[other] - length, length);
        size = at + length;
        break;
    default: /* put a word in */
        length = strlen(word);
        if (size + length > ROOM)
            break;
        memmove(input + at + length, input + at, size - at);
        memcpy(input + at, word, length);
        size += length;
    }
}

int main(int argc, char **argv)
{
    int seconds = argc > 1 ? atoi(argv[1]) : 10;
    time_t end = time(NULL) + seconds;
    unsigned long runs = 0;

    for (int i = 2; i < argc; i++)
        load(argv[i]);
    if (count == 0) {
        fprintf(stderr, "usage: %s SECONDS FOLDER...: no file to begin with\n", argv[0]);
        return 2;
    }
    __sanitizer_set_death_callback(keep_input);
    for (; time(NULL) < end; runs++) {
        size_t seed = below(count);
        size = sizes[seed];
        memcpy(input, seeds[seed], size);
        for (size_t times = below(8); size > 0 && times > 0; times--)
            mutate();
        LLVMFuzzerTestOneInput(input, size);
    }
    printf("%lu inputs from %zu files: no fault\n", runs, count);
    return 0;
}
