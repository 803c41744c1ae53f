/* needs: journal segment reader feed market book sync pool decimal crc thread gate status */
#include "expect.h"
#include "feed.h"
#include "journal.h"
#include "reader.h"
#include "segment.h"
#include "thread.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEGMENT = IDA_SEGMENT_LEAST, INTERVAL_MS = 5 };

/* ---- folders and records ----------------------------------------------------------------------------------- */

static char folder[64], file[96];

static void make_folder(void)
{
    strcpy(folder, "/tmp/ida-journal-XXXXXX");
    if (!mkdtemp(folder))
        abort();
}

static const char *segment_path(int index)
{
    snprintf(file, sizeof file, "%s/%08d.ida", folder, index);
    return file;
}

static void remove_folder(void)
{
    DIR *list = opendir(folder);
    for (struct dirent *entry; (entry = readdir(list));)
        unlinkat(dirfd(list), entry->d_name, 0);
    closedir(list);
    rmdir(folder);
}

static int count_files(void)
{
    DIR *list = opendir(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(list));)
        count += entry->d_name[0] != '.';
    closedir(list);
    return count;
}

static ida_trade trade(int64_t number)
{
    ida_trade t = { .head = { .length = sizeof t, .kind = IDA_TRADE, .instrument = 99, .ts_venue_ns = number,
                              .ts_local_ns = number + 1 } };
    t.trade_id = t.price = t.quantity = t.first_trade_id = t.last_trade_id = number;
    return t;
}

static ida_journal *open_journal(int policy)
{
    int error = -1;
    ida_journal *j = ida_journal_new(folder, "a run", SEGMENT, policy, INTERVAL_MS, &error);
    EXPECT(j && !error);
    return j;
}

static void close_journal(ida_journal *j)
{
    int error = -1;
    EXPECT(ida_journal_close(j, &error) == IDA_OK && error == 0);
}

static void append_trades(ida_journal *j, int64_t from, int64_t to)
{
    for (int64_t number = from; number < to; number++) {
        ida_trade t = trade(number);
        EXPECT(ida_journal_append(j, &t.head, 3) == IDA_OK);
    }
}

static ida_reader *open_reader(void)
{
    int error = -1;
    ida_reader *r = ida_reader_new(folder, &error);
    EXPECT(r && !error);
    return r;
}

/* Reads trades numbered from `from` on; how many came before another status than IDA_OK. */
static int64_t read_trades(ida_reader *r, int64_t from, int *status)
{
    int64_t number = from;
    for (const ida_record *record; (record = ida_reader_next(r, status)); number++) {
        const ida_trade *t = (const ida_trade *)record;
        EXPECT(t->head.kind == IDA_TRADE && t->head.instrument == 3);
        EXPECT(t->trade_id == number && t->head.ts_local_ns == number + 1);
    }
    return number - from;
}

/* ---- tests ------------------------------------------------------------------------------------------------- */

static void test_arguments(void)
{
    int error = 0;
    make_folder();
    EXPECT(!ida_journal_new(folder, "", SEGMENT - 4096, IDA_SYNC_NONE, 1, &error) && error == EINVAL);
    EXPECT(!ida_journal_new(folder, "", SEGMENT + 1, IDA_SYNC_NONE, 1, &error) && error == EINVAL);
    EXPECT(!ida_journal_new(folder, "", SEGMENT, 3, 1, &error) && error == EINVAL);
    EXPECT(!ida_journal_new(folder, "", SEGMENT, IDA_SYNC_NONE, 0, &error) && error == EINVAL);
    EXPECT(!ida_journal_new("/nowhere/at/all", "", SEGMENT, IDA_SYNC_NONE, 1, &error) && error == ENOENT);
    EXPECT(!ida_reader_new(folder, &error) && error == 0);
    EXPECT(!ida_reader_new("/nowhere/at/all", &error) && error == ENOENT);
    close_journal(open_journal(IDA_SYNC_NONE));
    EXPECT(!ida_journal_new(folder, "", SEGMENT, IDA_SYNC_NONE, 1, &error) && error == EEXIST);
    remove_folder();
}

static void test_many_segments(int policy)
{
    enum { MANY = 5 * SEGMENT / sizeof(ida_trade) };
    int status;
    make_folder();
    ida_journal *j = open_journal(policy);
    append_trades(j, 0, MANY);
    EXPECT(ida_journal_sync(j) == IDA_OK);
    EXPECT(ida_journal_records(j) == MANY && ida_journal_bytes(j) == MANY * sizeof(ida_trade));
    ida_reader *r = open_reader();
    EXPECT(read_trades(r, 0, &status) == MANY && status == IDA_EMPTY && !ida_reader_finished(r));
    append_trades(j, MANY, MANY + 7);
    EXPECT(read_trades(r, MANY, &status) == 7 && status == IDA_EMPTY);
    EXPECT(ida_journal_error(j) == 0);
    close_journal(j);
    EXPECT(read_trades(r, MANY + 7, &status) == 0 && status == IDA_EMPTY && ida_reader_finished(r));
    EXPECT(ida_reader_records(r) == MANY + 7);
    EXPECT(count_files() == (int)ida_reader_segment(r) + 1); /* no spare is left */
    ida_reader_free(r);
    remove_folder();
}

static void test_small_journal_is_small(void)
{
    struct stat found;
    make_folder();
    ida_journal *j = open_journal(IDA_SYNC_INTERVAL);
    append_trades(j, 0, 10);
    close_journal(j);
    EXPECT(!stat(segment_path(0), &found) && found.st_size == 4096);
    remove_folder();
}

static void test_text(void)
{
    static const char text[] = "{\"what\":\"hello\"}";
    int status;
    size_t bytes;
    make_folder();
    ida_journal *j = open_journal(IDA_SYNC_EACH_REQUEST);
    for (size_t length = 0; length < sizeof text; length++)
        EXPECT(ida_journal_append_text(j, IDA_REQUEST, 7, 1, 2, text, length) == IDA_OK);
    ida_reader *r = open_reader();
    for (size_t length = 0; length < sizeof text; length++) {
        const ida_record *record = ida_reader_next(r, &status);
        EXPECT(record && record->kind == IDA_REQUEST && record->instrument == 7 && record->flags == 0);
        EXPECT(record->ts_venue_ns == 1 && record->ts_local_ns == 2);
        const char *found = ida_record_text(record, &bytes);
        EXPECT(bytes == length && !memcmp(found, text, length));
    }
    EXPECT(ida_journal_append_text(j, IDA_NOTE, 7, 1, 2, text, SEGMENT) == IDA_RANGE);
    ida_reader_free(r);
    close_journal(j);
    remove_folder();
}

static void test_lengths_that_cannot_be(void)
{
    ida_trade t = trade(1);
    make_folder();
    ida_journal *j = open_journal(IDA_SYNC_NONE);
    t.head.length = 24;
    EXPECT(ida_journal_append(j, &t.head, 0) == IDA_BAD);
    t.head.length = 70;
    EXPECT(ida_journal_append(j, &t.head, 0) == IDA_BAD);
    t.head.length = SEGMENT;
    EXPECT(ida_journal_append(j, &t.head, 0) == IDA_RANGE);
    EXPECT(ida_journal_records(j) == 0);
    close_journal(j);
    remove_folder();
}

/* A record of a feed brings its crc along; one that gets another instrument needs another crc. */
static void test_sealed(void)
{
    make_folder();
    ida_journal *j = open_journal(IDA_SYNC_NONE);
    ida_trade t = trade(5);
    ida_record_seal(&t.head);
    EXPECT(ida_journal_append(j, &t.head, 99) == IDA_OK);
    EXPECT(ida_journal_append_sealed(j, &t.head, 99) == IDA_OK);
    EXPECT(ida_journal_append_sealed(j, &t.head, 3) == IDA_OK);
    t.price++; /* so that this crc is wrong, and taken as it is */
    EXPECT(ida_journal_append_sealed(j, &t.head, 99) == IDA_OK);
    close_journal(j);
    int error, status;
    ida_reader *r = ida_reader_new(folder, &error);
    ida_trade first = *(const ida_trade *)ida_reader_next(r, &status);
    EXPECT(!memcmp(&first, ida_reader_next(r, &status), sizeof first) && first.head.crc == t.head.crc);
    const ida_record *other = ida_reader_next(r, &status);
    EXPECT(other && other->instrument == 3 && other->crc != t.head.crc && ida_record_is_sound(other, other->length));
    EXPECT(!ida_reader_next(r, &status) && status == IDA_CORRUPT);
    ida_reader_free(r);
    remove_folder();
}

static void test_scan(void)
{
    int status;
    size_t bytes;
    make_folder();
    ida_journal *j = open_journal(IDA_SYNC_NONE);
    ida_market *market = ida_market_new(IDA_CHAIN_CONTIGUOUS, 64, 100000, 4096);
    ida_market *markets[4] = { NULL, NULL, NULL, market };
    append_trades(j, 0, 100);
    ida_journal_append_text(j, IDA_NOTE, 0, 0, 101, "{}", 2);
    append_trades(j, 101, 200);
    close_journal(j);
    ida_reader *r = open_reader();
    EXPECT(!ida_reader_scan(r, 1ull << IDA_NOTE, markets, 4, 50, &status) && status == IDA_FULL);
    EXPECT(ida_market_look(market)->count[IDA_TRADE] == 50 && ida_market_look(market)->last_price == 49);
    const ida_record *note = ida_reader_scan(r, 1ull << IDA_NOTE, markets, 4, INT64_MAX, &status);
    EXPECT(note && note->kind == IDA_NOTE);
    EXPECT(!ida_reader_scan(r, 1ull << IDA_NOTE, markets, 3, INT64_MAX, &status) && status == IDA_EMPTY);
    EXPECT(ida_market_look(market)->count[IDA_TRADE] == 100); /* instrument 3 is not among 3 */
    ida_reader_free(r);
    r = open_reader();
    const ida_record *stretch = ida_reader_stretch(r, ~(1ull << IDA_NOTE), SIZE_MAX, &bytes, &status);
    EXPECT(stretch && bytes == 100 * sizeof(ida_trade));
    stretch = ida_reader_stretch(r, ~(1ull << IDA_NOTE), 2 * sizeof(ida_trade), &bytes, &status);
    EXPECT(stretch && bytes == 2 * sizeof(ida_trade) && stretch->ts_local_ns == 102);
    ida_reader_free(r);
    ida_market_free(market);
    remove_folder();
}

/* Every way to lose the end of the last record: cut there, or zero from there on; and any byte flipped. */
static void damage(int64_t at, int how)
{
    char zeros[128] = { 0 }, byte;
    int f = open(segment_path(0), O_RDWR);
    if (how == 0)
        EXPECT(!ftruncate(f, at));
    if (how == 1)
        EXPECT(pwrite(f, zeros, sizeof zeros, at) == sizeof zeros);
    if (how == 2) {
        EXPECT(pread(f, &byte, 1, at) == 1);
        byte ^= 16;
        EXPECT(pwrite(f, &byte, 1, at) == 1);
    }
    close(f);
}

static void test_damage(int64_t from, int64_t to, int how, int64_t records)
{
    enum { WRITTEN = 4 };
    int status;
    for (int64_t at = from; at < to; at++) {
        make_folder();
        ida_journal *j = open_journal(IDA_SYNC_NONE);
        append_trades(j, 0, WRITTEN);
        close_journal(j);
        damage(at, how);
        ida_reader *r = open_reader();
        EXPECT(read_trades(r, 0, &status) == records && status == IDA_CORRUPT);
        EXPECT(!ida_reader_next(r, &status) && status == IDA_CORRUPT);
        EXPECT(ida_reader_offset(r) == sizeof(ida_segment_header) + (uint64_t)records * sizeof(ida_trade));
        ida_reader_free(r);
        remove_folder();
    }
}

static void test_damaged_records(void)
{
    int64_t third = sizeof(ida_segment_header) + 2 * sizeof(ida_trade), last = third + sizeof(ida_trade);
    test_damage(last, last + (int64_t)sizeof(ida_trade), 0, 3);
    test_damage(last, last + 64, 1, 3); /* the last 8 bytes are not all distinct from zero */
    test_damage(third, last, 2, 2);
}

static void test_damaged_header(void)
{
    int status;
    make_folder();
    ida_journal *j = open_journal(IDA_SYNC_NONE);
    append_trades(j, 0, 4);
    close_journal(j);
    damage(0, 2);
    ida_reader *r = open_reader();
    EXPECT(!ida_reader_next(r, &status) && status == IDA_CORRUPT);
    ida_reader_free(r);
    remove_folder();
}

/* As after a power cut that lost a page of a segment before the last. */
static void test_hole_before_the_last_segment(void)
{
    enum { MANY = 2 * SEGMENT / sizeof(ida_trade) };
    int status;
    uint64_t none = 0;
    make_folder();
    ida_journal *j = open_journal(IDA_SYNC_NONE);
    append_trades(j, 0, MANY);
    close_journal(j);
    int f = open(segment_path(0), O_RDWR);
    EXPECT(pwrite(f, &none, 8, offsetof(ida_segment_header, closed)) == 8);
    EXPECT(pwrite(f, &none, 8, sizeof(ida_segment_header) + 5 * sizeof(ida_trade)) == 8);
    close(f);
    ida_reader *r = open_reader();
    EXPECT(read_trades(r, 0, &status) == 5 && status == IDA_CORRUPT && ida_reader_segment(r) == 0);
    ida_reader_free(r);
    remove_folder();
}

typedef struct follower {
    int64_t wanted;
    int64_t read;
    int status;
} follower;

static void follow(void *argument)
{
    follower *f = argument;
    ida_reader *r = open_reader();
    while (!ida_reader_finished(r) && f->status != IDA_CORRUPT) {
        int64_t more = read_trades(r, f->read, &f->status);
        f->read += more;
        if (!more)
            sched_yield();
    }
    ida_reader_free(r);
}

static void test_following_a_writer(void)
{
    follower f = { .wanted = 20000 };
    make_folder();
    ida_journal *j = open_journal(IDA_SYNC_INTERVAL);
    ida_thread *thread = ida_thread_start(follow, &f, -1, "follower");
    append_trades(j, 0, f.wanted);
    close_journal(j);
    ida_thread_join(thread);
    EXPECT(f.read == f.wanted && f.status == IDA_EMPTY);
    remove_folder();
}

int main(void)
{
    test_arguments();
    test_many_segments(IDA_SYNC_NONE);
    test_many_segments(IDA_SYNC_INTERVAL);
    test_small_journal_is_small();
    test_text();
    test_lengths_that_cannot_be();
    test_sealed();
    test_scan();
    test_damaged_records();
    test_damaged_header();
    test_hole_before_the_last_segment();
    test_following_a_writer();
    return DONE;
}
