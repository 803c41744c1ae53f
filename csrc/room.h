/* room.h - zeroed memory of a size that may be large and mostly stay untouched, given back to the system at once.
 * calloc maps such memory too, but only until the first large block was freed: from then on glibc takes the next ones
 * from its heap, writes zeros over all of them and keeps them, and a process that makes one run after the other grows. */
#ifndef IDA_ROOM_H
#define IDA_ROOM_H
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* From here on memory is mapped by itself; below, and where a sanitizer is to watch its ends, it comes from calloc. */
#if defined(__SANITIZE_ADDRESS__)
#define IDA_ROOM_MAPPED SIZE_MAX
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IDA_ROOM_MAPPED SIZE_MAX
#endif
#endif
#ifndef IDA_ROOM_MAPPED
#define IDA_ROOM_MAPPED ((size_t)1 << 20)
#endif

/* count × size bytes, all zero; NULL if memory is short. Give it back by ida_room_free with the same two. */
static inline void *ida_room_new(size_t count, size_t size)
{
    if (count && size > SIZE_MAX / count)
        return NULL;
    if (count * size < IDA_ROOM_MAPPED)
        return calloc(count, size);
    void *room = mmap(NULL, count * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return room == MAP_FAILED ? NULL : room;
}

static inline void ida_room_free(void *room, size_t count, size_t size)
{
    if (!room)
        return;
    if (count * size < IDA_ROOM_MAPPED)
        free(room);
    else
        munmap(room, count * size);
}

#endif
