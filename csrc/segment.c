#include "segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/fs.h>
#endif

enum { NAME_BYTES = 32, CUT_BYTES = 4096, ZEROS_BYTES = 32 << 10 };

static const char magic[8] = "IDAJRNL1";
static const char suffix[] = ".ida";

static void name_of(uint64_t index, const char *end, char *name)
{
    snprintf(name, NAME_BYTES, "%08llu%s", (unsigned long long)index, end);
}

static ida_segment_header *header(const ida_segment *s)
{
    return (ida_segment_header *)s->base;
}

static int open_at(int directory, const char *name, int flags)
{
    return openat(directory, name, flags | O_CLOEXEC, 0600);
}

/* ---- writing ----------------------------------------------------------------------------------------------- */

/* A file system that copies on write would need new room for each page that is written again: not for this file,
 * where it can be told so. */
static void write_in_place(int file)
{
#if defined(__linux__)
    int flags;
    if (!ioctl(file, FS_IOC_GETFLAGS, &flags)) {
        flags |= FS_NOCOW_FL;
        ioctl(file, FS_IOC_SETFLAGS, &flags);
    }
#endif
}

static int allocate(int file, uint64_t bytes)
{
    int error;
    do
        error = posix_fallocate(file, 0, (off_t)bytes);
    while (error == EINTR);
    return error;
}

/* Writes of some size make the page cache in pieces of that size: three times as fast as page faults alone. But the
 * kernel writes back whole pieces, so with a megabyte each sync of a quiet journal would write one. */
static int write_zeros(int file, uint64_t bytes)
{
    uint64_t at = 0;
    char *zeros = calloc(1, ZEROS_BYTES);
    while (zeros && at < bytes) {
        uint64_t rest = bytes - at;
        ssize_t done = pwrite(file, zeros, rest < ZEROS_BYTES ? rest : ZEROS_BYTES, (off_t)at);
        if (done > 0)
            at += (uint64_t)done;
        else if (done == 0 || errno != EINTR)
            break;
    }
    int error = at == bytes ? 0 : !zeros ? ENOMEM : errno;
    free(zeros);
    return error;
}

/* Takes the page faults in advance, where the kernel can. A page that cannot be had would have been a SIGBUS. */
static int touch(const ida_segment *s)
{
#if defined(MADV_POPULATE_WRITE)
    if (madvise(s->base, s->bytes, MADV_POPULATE_WRITE) && errno == EFAULT)
        return ENOSPC;
#endif
    return 0;
}

static int map(ida_segment *s, int protection)
{
    void *base = mmap(NULL, s->bytes, protection, MAP_SHARED, s->file, 0);
    if (base == MAP_FAILED)
        return errno;
    s->base = base;
    return 0;
}

static int fill(ida_segment *s, const char *run)
{
    write_in_place(s->file);
    int error = allocate(s->file, s->bytes);
    if (!error)
        error = write_zeros(s->file, s->bytes);
    if (!error)
        error = map(s, PROT_READ | PROT_WRITE);
    if (!error)
        error = touch(s);
    if (error)
        return error;
    ida_segment_header *h = header(s);
    memcpy(h->magic, magic, sizeof magic);
    h->index = s->index;
    h->bytes = s->bytes;
    memcpy(h->run, run, strnlen(run, sizeof h->run));
    s->used = sizeof *h;
    return 0;
}

/* A reader finds a segment by its name: it gets it when it is ready. */
static int publish(const ida_segment *s, int directory, const char *unfinished, int durable)
{
    char name[NAME_BYTES];
    int error = durable ? ida_segment_sync(s, 0, s->used) : 0;
    name_of(s->index, suffix, name);
    if (!error && renameat(directory, unfinished, directory, name))
        error = errno;
    if (!error && durable && fsync(directory))
        error = errno;
    return error;
}

int ida_segment_create(ida_segment *s, int directory, uint64_t index, uint64_t bytes, const char *run, int durable)
{
    char unfinished[NAME_BYTES];
    name_of(index, ".new", unfinished);
    *s = (ida_segment){ .bytes = bytes, .index = index };
    s->file = open_at(directory, unfinished, O_RDWR | O_CREAT | O_TRUNC);
    if (s->file < 0)
        return errno;
    int error = fill(s, run);
    if (!error)
        error = publish(s, directory, unfinished, durable);
    if (error) {
        unlinkat(directory, unfinished, 0);
        ida_segment_unmap(s);
    }
    return error;
}

int ida_segment_sync(const ida_segment *s, uint64_t from, uint64_t to)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), start = from / page * page;
    return to > start && msync(s->base + start, to - start, MS_SYNC) ? errno : 0;
}

static uint64_t cut_at(const ida_segment *s)
{
    uint64_t end = (s->used + sizeof(uint64_t) + CUT_BYTES - 1) / CUT_BYTES * CUT_BYTES;
    return end < s->bytes ? end : s->bytes;
}

void ida_segment_seal(ida_segment *s)
{
    __atomic_store_n(&header(s)->closed, s->used, __ATOMIC_RELEASE); /* release: after the records */
}

int ida_segment_cut(ida_segment *s)
{
    uint64_t end = cut_at(s);
    __atomic_store_n(&header(s)->bytes, end, __ATOMIC_RELEASE);
    return ftruncate(s->file, (off_t)end) ? errno : 0;
}

int ida_segment_remove(ida_segment *s, int directory)
{
    char name[NAME_BYTES];
    name_of(s->index, suffix, name);
    ida_segment_unmap(s);
    return unlinkat(directory, name, 0) ? errno : 0;
}

void ida_segment_unmap(ida_segment *s)
{
    if (s->base)
        munmap(s->base, s->bytes);
    if (s->file >= 0)
        close(s->file);
    s->base = NULL;
    s->file = -1;
}

/* ---- reading ----------------------------------------------------------------------------------------------- */

static int is_segment(const ida_segment *s)
{
    const ida_segment_header *h = header(s);
    return !memcmp(h->magic, magic, sizeof magic) && h->index == s->index;
}

static int map_whole(ida_segment *s)
{
    struct stat found;
    if (fstat(s->file, &found))
        return errno;
    if (!S_ISREG(found.st_mode) || found.st_size < (off_t)sizeof(ida_segment_header))
        return EBADMSG;
    s->bytes = (uint64_t)found.st_size;
    return map(s, PROT_READ);
}

int ida_segment_open(ida_segment *s, int directory, uint64_t index)
{
    char name[NAME_BYTES];
    name_of(index, suffix, name);
    *s = (ida_segment){ .index = index };
    s->file = open_at(directory, name, O_RDONLY | O_NONBLOCK);
    if (s->file < 0)
        return errno;
    int error = map_whole(s);
    if (!error && !is_segment(s))
        error = EBADMSG;
    if (error) {
        ida_segment_unmap(s);
        return error;
    }
    close(s->file);
    s->file = -1;
    return 0;
}

int ida_segment_is_begun(int directory, uint64_t index)
{
    char name[NAME_BYTES];
    uint32_t length = 0;
    name_of(index, suffix, name);
    int file = open_at(directory, name, O_RDONLY);
    if (file < 0)
        return 0;
    ssize_t got = pread(file, &length, sizeof length, sizeof(ida_segment_header));
    close(file);
    return got == sizeof length && length != 0;
}

int ida_segment_any(int directory)
{
    int copy = open_at(directory, ".", O_RDONLY | O_DIRECTORY), found = 0;
    DIR *list = copy < 0 ? NULL : fdopendir(copy);
    if (!list)
        return 0;
    for (struct dirent *entry; !found && (entry = readdir(list));) {
        const char *dot = strrchr(entry->d_name, '.');
        found = dot && !strcmp(dot, suffix);
    }
    closedir(list);
    return found;
}
