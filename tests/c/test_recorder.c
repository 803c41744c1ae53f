/* needs: recorder pack queue thread gate */
#include "expect.h"
#include "gate.h"
#include "pack.h"
#include "recorder.h"
#include "thread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#define STAMP INT64_C(1767225600000000000)

enum { MS = 1000000, QUEUE = 1 << 16, ROOM = 1 << 22 };

static char directory[64], text[ROOM];
static const char head[] = "{\"stream\":\"!exchangeInfo\",\"data\":{}}";

static ida_recorder_settings settings(int level)
{
    return (ida_recorder_settings){ .queue_bytes = QUEUE, .flush_ns = 20 * MS, .level = level };
}

static void make_directory(void)
{
    strcpy(directory, "/tmp/ida-recorder-XXXXXX");
    EXPECT(mkdtemp(directory) != NULL);
}

static void path_of(const char *name, char *path)
{
    snprintf(path, 128, "%s/%s", directory, name);
}

static int remove_directory(void)
{
    char path[512];
    int files = 0;
    DIR *list = opendir(directory);
    for (struct dirent *entry; list && (entry = readdir(list));)
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
            unlink(path);
            files++;
        }
    closedir(list);
    rmdir(directory);
    return files;
}

static ida_recorder *open_recorder(const ida_recorder_settings *s, const char *first)
{
    int error = -1;
    ida_recorder *r = ida_recorder_open(directory, "btc", s, first, first ? strlen(first) : 0, &error);
    EXPECT(r && !error);
    return r;
}

/* The text of a file, unpacked where it is packed. */
static size_t read_file(const char *name)
{
    char path[128], command[256];
    path_of(name, path);
    snprintf(command, sizeof command, strstr(name, ".gz") ? "gzip -cd %s" : "cat %s", path);
    FILE *f = popen(command, "r");
    size_t length = fread(text, 1, ROOM - 1, f);
    EXPECT(pclose(f) == 0);
    text[length] = 0;
    return length;
}

static size_t size_of(const char *name)
{
    struct stat found;
    char path[128];
    path_of(name, path);
    return stat(path, &found) ? 0 : (size_t)found.st_size;
}

static ida_status write_line(ida_recorder *r, int64_t number)
{
    char line[64];
    int length = snprintf(line, sizeof line, "{\"n\":%lld}", (long long)number);
    return ida_recorder_write(r, STAMP + number, line, (size_t)length);
}

/* Writes it, waiting for room where there is none: what a live feed would never do. */
static void write_surely(ida_recorder *r, int64_t number)
{
    ida_recorder_view v;
    if (write_line(r, number) == IDA_OK)
        return;
    ida_recorder_flush(r);
    EXPECT(write_line(r, number) == IDA_OK);
    ida_recorder_look(r, &v);
    EXPECT(v.dropped > 0);
}

static void test_lines_come_in_order(int level)
{
    enum { LINES = 5000 };
    const char *name = level ? "btc-00000.gz" : "btc-00000.txt";
    ida_recorder_settings s = settings(level);
    ida_recorder_view v;
    char *at = text;
    make_directory();
    ida_recorder *r = open_recorder(&s, head);
    for (int i = 0; i < LINES; i++)
        write_surely(r, i);
    ida_recorder_close(r, &v);
    EXPECT(v.lines == LINES && v.files == 1 && !v.error && !v.failing && v.packed == (level > 0));
    EXPECT(v.newest_ns == STAMP + LINES - 1 && v.file_bytes == size_of(name));
    read_file(name);
    EXPECT(!strncmp(at, "1767225600000000000 {\"stream\":\"!exchangeInfo\",\"data\":{}}\n", 20 + sizeof head));
    at += 20 + sizeof head;
    uint64_t lost = 0;
    for (int i = 0; i < LINES; i++) {
        char wanted[64];
        unsigned long long some;
        if (sscanf(at, "%*d {\"stream\":\"!dropped\",\"data\":{\"lines\":%llu}}", &some) == 1) {
            lost += some;
            at = strchr(at, '\n') + 1;
        }
        int length = snprintf(wanted, sizeof wanted, "%lld {\"n\":%d}\n", (long long)STAMP + i, i);
        EXPECT(!strncmp(at, wanted, (size_t)length));
        at += length;
    }
    EXPECT(*at == 0 && lost == v.dropped);
    EXPECT(remove_directory() == 1);
}

static void test_a_line_is_kept_as_it_came(void)
{
    static char longest[IDA_RECORDER_LONGEST + 1];
    ida_recorder_settings s = settings(0);
    ida_recorder_view v;
    s.queue_bytes = 1 << 23;
    make_directory();
    ida_recorder *r = open_recorder(&s, NULL);
    EXPECT(ida_recorder_write(r, STAMP, "", 0) == IDA_OK);
    EXPECT(ida_recorder_write(r, STAMP, "a\nb\r\0c", 6) == IDA_OK);
    EXPECT(ida_recorder_write_as(r, STAMP, "btcusdt@depth@snapshot", "{\"lastUpdateId\":7}", 18) == IDA_OK);
    EXPECT(ida_recorder_write_as(r, STAMP, "a\"b", "{}", 2) == IDA_BAD);
    EXPECT(ida_recorder_write_as(r, STAMP, "a\\", "{}", 2) == IDA_BAD);
    EXPECT(ida_recorder_write_as(r, STAMP, "a\n", "{}", 2) == IDA_BAD);
    EXPECT(ida_recorder_write(r, 1767225600, "s", 1) == IDA_RANGE);
    for (size_t length = 243; length < 490; length += 1 + (length == 245) * 240)
        EXPECT(ida_recorder_write(r, STAMP, memset(longest, 'x', length), length) == IDA_OK);
    memset(longest, 'y', sizeof longest);
    EXPECT(ida_recorder_write(r, STAMP, longest, sizeof longest) == IDA_RANGE);
    EXPECT(ida_recorder_flush(r) == IDA_OK);
    ida_recorder_look(r, &v);
    size_t length = read_file("btc-00000.txt");
    EXPECT(v.dropped == 2 && v.lines == 3 + 7 && v.files == 1);
    EXPECT(!strncmp(text, "1767225600000000000 \n1767225600000000000 a b\r", 45) && text[45] == 0 && text[46] == 'c');
    EXPECT(strstr(text + 47, "{\"stream\":\"btcusdt@depth@snapshot\",\"data\":{\"lastUpdateId\":7}}\n"));
    EXPECT(strstr(text + 47, "000 {\"stream\":\"!dropped\",\"data\":{\"lines\":1}}\n"));
    EXPECT(length == v.file_bytes && text[length - 1] == '\n' && text[length - 2] == 'x');
    EXPECT(ida_recorder_write(r, STAMP, longest, IDA_RECORDER_LONGEST) == IDA_OK);
    ida_recorder_close(r, &v);
    EXPECT(v.lines == 3 + 7 + 1 && size_of("btc-00000.txt") > length + IDA_RECORDER_LONGEST);
    remove_directory();
}

static void test_files_follow_each_other(void)
{
    ida_recorder_settings s = settings(1);
    ida_recorder_view v;
    char taken[128];
    make_directory();
    ida_recorder *r = open_recorder(&s, head);
    EXPECT(ida_recorder_rotate(r) == IDA_OK); /* nothing is in it yet */
    write_line(r, 1);
    ida_recorder_rotate(r);
    ida_recorder_rotate(r);
    path_of("btc-00001.gz", taken);
    close(open(taken, O_CREAT | O_WRONLY, 0600)); /* somebody else's */
    write_line(r, 2);
    write_line(r, 3);
    ida_recorder_rotate(r);
    ida_recorder_close(r, &v);
    EXPECT(v.files == 2 && v.lines == 3 && !v.error);
    EXPECT(read_file("btc-00000.gz") == 20 + sizeof head + 20 + 8);
    EXPECT(read_file("btc-00002.gz") == 20 + sizeof head + 2 * (20 + 8));
    EXPECT(!strncmp(text, "1767225600000000002 {\"stream\":\"!exchangeInfo\"", 45));
    EXPECT(size_of("btc-00001.gz") == 0);
    EXPECT(remove_directory() == 3);
}

static void test_rotates_by_size_and_time(void)
{
    ida_recorder_settings s = settings(0);
    ida_recorder_view v;
    make_directory();
    s.rotate_bytes = 100;
    ida_recorder *r = open_recorder(&s, NULL);
    for (int i = 0; i < 12; i++) {
        write_line(r, i % 10);
        ida_recorder_flush(r);
    }
    ida_recorder_close(r, &v);
    EXPECT(v.files == 3 && size_of("btc-00000.txt") == 4 * 28);
    EXPECT(remove_directory() == 3);
    make_directory();
    s.rotate_bytes = 0;
    s.rotate_ns = 1;
    r = open_recorder(&s, NULL);
    for (int i = 0; i < 5; i++) {
        write_line(r, i);
        ida_recorder_flush(r);
    }
    ida_recorder_close(r, &v);
    EXPECT(v.files == 5 && remove_directory() == 5);
}

static void test_no_line_no_file(void)
{
    ida_recorder_settings s = settings(1);
    ida_recorder_view v;
    make_directory();
    ida_recorder_close(open_recorder(&s, head), &v);
    EXPECT(v.files == 0 && v.newest_ns == -1 && remove_directory() == 0);
}

/* What is in the file without flush or close: all but the last interval. */
static void test_is_in_the_file_in_time(void)
{
    ida_recorder_settings s = settings(1);
    make_directory();
    ida_recorder *r = open_recorder(&s, head);
    write_line(r, 1);
    int64_t until = ida_gate_now() + INT64_C(30000) * MS;
    while (size_of("btc-00000.gz") == 0 && ida_gate_now() < until)
        usleep(1000);
    usleep(1000);
    EXPECT(read_file("btc-00000.gz") > 0);
    ida_recorder_close(r, NULL);
    remove_directory();
}

static void test_settings_that_cannot_be(void)
{
    int error;
    char path[128];
    ida_recorder_settings s = settings(1), wrong;
    make_directory();
    for (int i = 0; i < 7; i++) {
        wrong = s;
        wrong.queue_bytes = i == 0 ? QUEUE + 1 : i == 1 ? QUEUE / 2 : QUEUE;
        wrong.flush_ns = i == 2 ? 0 : s.flush_ns;
        wrong.rotate_ns = i == 3 ? -1 : 0;
        wrong.level = i == 4 ? 10 : 1;
        EXPECT(i > 4 || (!ida_recorder_open(directory, "btc", &wrong, NULL, 0, &error) && error == EINVAL));
    }
    EXPECT(!ida_recorder_open(directory, "../btc", &s, NULL, 0, &error) && error == EINVAL);
    EXPECT(!ida_recorder_open("/nowhere/at/all", "btc", &s, NULL, 0, &error) && error == ENOENT);
    path_of("btc-00000.gz", path);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    EXPECT(!ida_recorder_open(directory, "btc", &s, NULL, 0, &error) && error == EEXIST);
    EXPECT(size_of("btc-00000.gz") == 0 && remove_directory() == 1);
}

/* A file that may not grow further is what a full disk is: part of a member is written, then no more. */
static void test_full_disk(void)
{
    struct rlimit before, tight;
    ida_recorder_settings s = settings(0);
    ida_recorder_view v;
    make_directory();
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    ida_recorder *r = open_recorder(&s, NULL);
    write_line(r, 1);
    EXPECT(ida_recorder_flush(r) == IDA_OK);
    tight = (struct rlimit){ .rlim_cur = 28 + 40, .rlim_max = before.rlim_max };
    setrlimit(RLIMIT_FSIZE, &tight);
    write_line(r, 2);
    write_line(r, 3);
    EXPECT(ida_recorder_flush(r) == IDA_IO);
    EXPECT(size_of("btc-00000.txt") == 28); /* cut behind the last whole member */
    ida_recorder_look(r, &v);
    EXPECT(v.error == EFBIG && v.failing == EFBIG && v.dropped == 2 && v.lines == 1);
    setrlimit(RLIMIT_FSIZE, &before);
    write_line(r, 4);
    EXPECT(ida_recorder_flush(r) == IDA_IO); /* something was lost before */
    ida_recorder_close(r, &v);
    EXPECT(v.error == EFBIG && !v.failing && v.dropped == 2 && v.lines == 2);
    read_file("btc-00000.txt");
    EXPECT(!strcmp(text, "1767225600000000001 {\"n\":1}\n"
                         "1767225600000000004 {\"stream\":\"!dropped\",\"data\":{\"lines\":2}}\n"
                         "1767225600000000004 {\"n\":4}\n"));
    remove_directory();
}

static void test_directory_gone_and_back(void)
{
    ida_recorder_settings s = settings(0);
    ida_recorder_view v;
    make_directory();
    ida_recorder *r = open_recorder(&s, head);
    write_line(r, 1);
    ida_recorder_flush(r);
    EXPECT(remove_directory() == 1);
    write_line(r, 2);
    EXPECT(ida_recorder_flush(r) == IDA_IO);
    ida_recorder_look(r, &v);
    EXPECT(v.error == ENOENT && v.dropped == 1);
    EXPECT(!mkdir(directory, 0700));
    write_line(r, 3);
    ida_recorder_close(r, &v);
    EXPECT(!v.failing && v.files == 2 && v.lines == 2);
    read_file("btc-00001.txt");
    EXPECT(!strncmp(text, "1767225600000000003 {\"stream\":\"!exchangeInfo\"", 45));
    EXPECT(strstr(text, "\"lines\":1}}\n1767225600000000003 {\"n\":3}\n"));
    EXPECT(remove_directory() == 1);
}

/* The descriptor that the recorder writes this file by. */
static int descriptor_of(const char *name)
{
    struct stat wanted, found;
    char path[128];
    path_of(name, path);
    EXPECT(!stat(path, &wanted));
    for (int fd = 3; fd < 1024; fd++)
        if (!fstat(fd, &found) && found.st_ino == wanted.st_ino && found.st_dev == wanted.st_dev)
            return fd;
    return -1;
}

static void read_all(void *argument)
{
    static char some[1 << 16];
    int from = *(int *)argument;
    while (read(from, some, sizeof some) > 0)
        ;
}

/* A disk that stands still: its file is a pipe that nobody reads. Whoever records never waits for it. */
static void test_disk_that_stands_still(void)
{
    enum { LINES = 5000 };
    static char line[1000];
    ida_recorder_settings s = settings(0);
    ida_recorder_view v;
    uint64_t full = 0;
    int ends[2];
    make_directory();
    ida_recorder *r = open_recorder(&s, NULL);
    write_line(r, 1);
    ida_recorder_flush(r);
    EXPECT(!pipe(ends) && dup2(ends[1], descriptor_of("btc-00000.txt")) > 0);
    close(ends[1]);
    memset(line, 'x', sizeof line);
    for (int i = 0; i < LINES; i++)
        full += ida_recorder_write(r, STAMP + i, line, sizeof line) == IDA_FULL;
    ida_recorder_look(r, &v);
    EXPECT(full > 0 && v.dropped == full);
    ida_thread *reader = ida_thread_start(read_all, &ends[0], -1, "reads");
    ida_recorder_close(r, &v);
    ida_thread_join(reader);
    EXPECT(v.dropped == full && v.lines + v.dropped == LINES + 1);
    EXPECT(v.error == 0 || v.error == EINVAL); /* a pipe cannot be synced */
    close(ends[0]);
    remove_directory();
}

typedef struct watch {
    ida_recorder *recorder;
    atomic_int stop;
} watch;

static void look_often(void *argument)
{
    watch *w = argument;
    uint64_t before = 0;
    ida_recorder_view v;
    while (!atomic_load(&w->stop)) {
        ida_recorder_look(w->recorder, &v);
        EXPECT(v.lines >= before);
        before = v.lines;
    }
}

static void test_looking_from_another_thread(void)
{
    enum { LINES = 30000 };
    ida_recorder_settings s = settings(1);
    ida_recorder_view v;
    uint64_t written = 0;
    make_directory();
    s.flush_ns = MS;
    s.rotate_bytes = 4000;
    watch w = { .recorder = open_recorder(&s, head) };
    ida_thread *thread = ida_thread_start(look_often, &w, -1, "looks");
    for (int i = 0; i < LINES; i++) {
        written += write_line(w.recorder, i) == IDA_OK;
        if (i % 5000 == 0)
            ida_recorder_flush(w.recorder);
    }
    atomic_store(&w.stop, 1);
    ida_thread_join(thread);
    ida_recorder_close(w.recorder, &v);
    EXPECT(v.lines == written && v.lines + v.dropped == LINES);
    EXPECT((uint64_t)remove_directory() == v.files);
}

static void test_packing(void)
{
    static const char *const none[] = {"libida-no-such.so", NULL}, *const other[] = {"libm.so.6", NULL};
    const char *member;
    EXPECT(!ida_pack_new(none, 6, 100) && !ida_pack_new(other, 6, 100));
    EXPECT(!ida_pack_new(NULL, 0, 100) && !ida_pack_new(NULL, 10, 100) && !ida_pack_new(NULL, 6, 0));
    ida_pack *pack = ida_pack_new(NULL, 6, 100);
    EXPECT(pack && ida_pack_member(pack, text, 101, &member) == 0);
    for (size_t bytes = 0; pack && bytes <= 100; bytes++) {
        for (size_t i = 0; i < bytes; i++)
            text[i] = (char)rand(); /* what does not pack must fit too */
        size_t length = ida_pack_member(pack, text, bytes, &member);
        EXPECT(length > 18 && member[0] == 0x1f && (unsigned char)member[1] == 0x8b);
        EXPECT((unsigned char)member[length - 4] == bytes);
    }
    ida_pack_free(pack);
}

int main(void)
{
    test_packing();
    test_lines_come_in_order(0);
    test_lines_come_in_order(6);
    test_a_line_is_kept_as_it_came();
    test_files_follow_each_other();
    test_rotates_by_size_and_time();
    test_no_line_no_file();
    test_is_in_the_file_in_time();
    test_settings_that_cannot_be();
    test_full_disk();
    test_directory_gone_and_back();
    test_disk_that_stands_still();
    test_looking_from_another_thread();
    return DONE;
}
