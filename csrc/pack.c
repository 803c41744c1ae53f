#include "pack.h"

#include <dlfcn.h>
#include <stdlib.h>

enum { DEFLATED = 8, GZIP_WINDOW = 31, MEMORY = 8, FINISH = 4, STREAM_END = 1, GZIP_BYTES = 64 };

/* zlib's z_stream, whose layout has not changed since version 1.0 and may not. */
typedef struct stream {
    const unsigned char *next_in;
    unsigned available_in;
    unsigned long total_in;
    unsigned char *next_out;
    unsigned available_out;
    unsigned long total_out;
    const char *message;
    void *state, *allocate, *release, *opaque;
    int data_type;
    unsigned long check, reserved;
} stream;

struct ida_pack {
    void *library;
    int (*begin)(stream *, int level, int method, int window, int memory, int strategy, const char *version, int size);
    unsigned long (*bound)(stream *, unsigned long bytes);
    int (*deflate)(stream *, int flush);
    int (*reset)(stream *);
    int (*end)(stream *);
    stream packer;
    int begun;
    size_t most;
    size_t room;
    char *member;
};

/* A function of the library; ISO C knows no other way from an object pointer to a function pointer. */
static int find(void *library, const char *name, void *function)
{
    *(void **)function = dlsym(library, name);
    return *(void **)function != NULL;
}

static int find_all(ida_pack *pack)
{
    return find(pack->library, "deflateInit2_", &pack->begin) && find(pack->library, "deflateBound", &pack->bound)
        && find(pack->library, "deflate", &pack->deflate) && find(pack->library, "deflateReset", &pack->reset)
        && find(pack->library, "deflateEnd", &pack->end);
}

static int load(ida_pack *pack, const char *const *libraries)
{
    static const char *const usual[] = {"libz.so.1", "libz.so", "libz.1.dylib", "libz.dylib", NULL};
    for (libraries = libraries ? libraries : usual; !pack->library && *libraries; libraries++)
        pack->library = dlopen(*libraries, RTLD_NOW | RTLD_LOCAL);
    return pack->library && find_all(pack);
}

static int begin(ida_pack *pack, int level)
{
    if (level < 1 || level > 9)
        return 0;
    if (pack->begin(&pack->packer, level, DEFLATED, GZIP_WINDOW, MEMORY, 0, "1", (int)sizeof(stream)))
        return 0;
    pack->begun = 1;
    pack->room = pack->bound(&pack->packer, pack->most) + GZIP_BYTES;
    pack->member = malloc(pack->room);
    return pack->member != NULL;
}

ida_pack *ida_pack_new(const char *const *libraries, int level, size_t most)
{
    ida_pack *pack = most && most <= UINT32_MAX / 2 ? calloc(1, sizeof *pack) : NULL;
    if (!pack)
        return NULL;
    pack->most = most;
    if (load(pack, libraries) && begin(pack, level))
        return pack;
    ida_pack_free(pack);
    return NULL;
}

void ida_pack_free(ida_pack *pack)
{
    if (!pack)
        return;
    if (pack->begun)
        pack->end(&pack->packer);
    if (pack->library)
        dlclose(pack->library);
    free(pack->member);
    free(pack);
}

size_t ida_pack_member(ida_pack *pack, const char *text, size_t bytes, const char **member)
{
    if (bytes > pack->most)
        return 0;
    stream *s = &pack->packer;
    s->next_in = (const unsigned char *)text;
    s->available_in = (unsigned)bytes;
    s->next_out = (unsigned char *)pack->member;
    s->available_out = (unsigned)pack->room;
    int ended = pack->deflate(s, FINISH) == STREAM_END;
    size_t length = pack->room - s->available_out;
    pack->reset(s);
    *member = pack->member;
    return ended ? length : 0;
}
