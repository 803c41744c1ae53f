/* needs: frames */
#include "expect.h"
#include "frames.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 70000, RECEIVE = 4096, LOG = 1 << 18 };

/* What came out, one event after the other: `D` or `S` for a message, `C` for control, `Z` compressed, `!` broken. */
static struct { char text[LOG]; size_t size; int64_t stamp; } seen;

static void note(char kind, const void *bytes, size_t size)
{
    if (seen.size + size + 16 > LOG)
        return;
    seen.size += (size_t)sprintf(seen.text + seen.size, kind == '!' ? "!" : "%c%zu:", kind, size);
    memcpy(seen.text + seen.size, bytes, size);
    seen.size += size;
}

static int take(void *state, const char *text, size_t bytes, int64_t ts_local_ns)
{
    seen.stamp = ts_local_ns;
    if (bytes && text[0] == '?')
        return IDA_SHOWN;
    note(*(const char *)state, text, bytes);
    return IDA_SUNK;
}

/* All of it through a splitter, `step` bytes at a time. */
static void feed(ida_frames *f, const char *bytes, size_t size, size_t step)
{
    const ida_frames_view *v = ida_frames_look(f);
    for (size_t at = 0; at < size;) {
        size_t room, some = size - at < step ? size - at : step;
        char *where = ida_frames_room(f, &room);
        some = some < room ? some : room;
        memcpy(where, bytes + at, some);
        EXPECT(ida_frames_received(f, some, (int64_t)(at += some)) == IDA_OK);
        for (int stop; (stop = ida_frames_split(f, take, "D"));) {
            if (stop == IDA_FRAMES_BROKEN) {
                note('!', v->rule, strlen(v->rule));
                EXPECT(ida_frames_split(f, take, "D") == IDA_FRAMES_BROKEN);
                return;
            }
            note(stop == IDA_FRAMES_SHOW ? 'S' : stop == IDA_FRAMES_CONTROL ? 'C' : 'Z', v->item, v->item_bytes);
        }
    }
}

static void split(const char *bytes, size_t size, size_t step, int deflate)
{
    ida_frames *f = ida_frames_new(MOST, RECEIVE, deflate);
    seen.size = 0;
    feed(f, bytes, size, step);
    ida_frames_free(f);
}

/* The same is said of the bytes, whatever pieces they come in. */
#define SAYS(deflate, bytes, said)                                                                 \
    for (size_t step = 1; step < sizeof(bytes); step++) {                                          \
        split(bytes, sizeof(bytes) - 1, step, deflate);                                            \
        EXPECT(seen.size == sizeof(said) - 1 && !memcmp(seen.text, said, sizeof(said) - 1));        \
    }

static void test_arguments(void)
{
    EXPECT(!ida_frames_new(0, 1, 0));
    EXPECT(!ida_frames_new(1, 0, 0));
    EXPECT(!ida_frames_new(SIZE_MAX, 1, 0));
    ida_frames_free(NULL);
    ida_frames *f = ida_frames_new(8, 16, 0);
    size_t room;
    EXPECT(ida_frames_room(f, &room) && room == 16);
    EXPECT(ida_frames_received(f, 1000, 1) == IDA_RANGE);
    EXPECT(ida_frames_look(f)->bytes == 0 && ida_frames_look(f)->last_ns == 0);
    EXPECT(ida_frames_split(f, take, "D") == IDA_FRAMES_DRY);
    ida_frames_free(f);
}

static void test_messages_at_any_cut(void)
{
    SAYS(0, "\x81\x03" "one\x82\x03" "two\x81\x00", "D3:oneD3:twoD0:");
    SAYS(0, "\x81\x02?a\x81\x01" "b", "S2:?aD1:b");
}

static void test_fragments_with_control_between(void)
{
    SAYS(0, "\x01\x02" "ab\x00\x00\x89\x01p\x00\x01" "c\x8a\x00\x80\x02" "de\x81\x01z",
         "C3:\x89\x01pC2:\x8a\x00" "D5:abcdeD1:z");
    SAYS(0, "\x01\x00\x80\x00\x01\x00\x80\x01x", "D0:D1:x");
}

static void test_nothing_counts_after_a_close(void)
{
    SAYS(0, "\x81\x01" "a\x88\x02\x03\xe8\x81\x01" "b\xff\xff", "D1:aC4:\x88\x02\x03\xe8");
}

static void test_what_breaks_the_protocol(void)
{
    SAYS(0, "\x81\x83", "!a frame from the server must not be masked");
    SAYS(0, "\x83\x01x", "!the frame's opcode is reserved");
    SAYS(0, "\x8f\x01x", "!the frame's opcode is reserved");
    SAYS(0, "\xc1\x01x", "!reserved bits are set that were not agreed on");
    SAYS(1, "\xa1\x01x", "!reserved bits are set that were not agreed on");
    SAYS(1, "\xc9\x01x", "!reserved bits are set that were not agreed on");
    SAYS(1, "\x41\x01x\xc0\x01y", "!reserved bits are set that were not agreed on");
    SAYS(0, "\x09\x00", "!a control frame must be whole and of at most 125 bytes");
    SAYS(0, "\x89\x7e\x00\x7e", "!a control frame must be whole and of at most 125 bytes");
    SAYS(0, "\x80\x01x", "!a continuation without a beginning");
    SAYS(0, "\x01\x01x\x81\x01y", "!a new message within a fragmented one");
    SAYS(0, "\x81\x7e\x00\x7d", "!a frame's length must be written as short as can be");
    SAYS(0, "\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", "!a frame's length must be written as short as can be");
    SAYS(0, "\x81\x7f\x80\x00\x00\x00\x00\x01\x00\x00", "!a frame's length must be written as short as can be");
    SAYS(0, "\x81\x7f\x00\x00\x00\x00\x00\x01\x11\x71", "!the message is larger than what is taken");
}

static void test_compressed_messages_are_given_out_whole(void)
{
    SAYS(1, "\xc1\x02xy\x81\x01p\x41\x01" "a\x80\x01" "b", "Z2:xyD1:pZ2:ab");
    ida_frames *f = ida_frames_new(MOST, RECEIVE, 1);
    const ida_frames_view *v = ida_frames_look(f);
    EXPECT(ida_frames_hand(f, take, "D", "text", 4) == IDA_FRAMES_DRY && v->messages == 1 && v->taken == 1);
    EXPECT(ida_frames_hand(f, take, "D", "?ask", 4) == IDA_FRAMES_SHOW && v->messages == 2 && v->taken == 1);
    EXPECT(v->item_bytes == 4 && !memcmp(v->item, "?ask", 4));
    EXPECT(ida_frames_refuse(f, 0) == IDA_FRAMES_BROKEN && v->close_code == 1007 && v->rule);
    EXPECT(ida_frames_split(f, take, "D") == IDA_FRAMES_BROKEN);
    ida_frames_free(f);
}

static void test_without_a_sink_data_is_passed_over(void)
{
    ida_frames *f = ida_frames_new(MOST, RECEIVE, 0);
    size_t room;
    memcpy(ida_frames_room(f, &room), "\x81\x01" "a\x88\x00", 5);
    ida_frames_received(f, 5, 7);
    EXPECT(ida_frames_split(f, NULL, NULL) == IDA_FRAMES_CONTROL && ida_frames_look(f)->opcode == 8);
    EXPECT(ida_frames_look(f)->messages == 1 && ida_frames_look(f)->taken == 0 && ida_frames_look(f)->last_ns == 7);
    ida_frames_free(f);
}

/* Messages of every size around the borders of length fields, receives and room, whole and in fragments. */
static void test_long_messages_keep_their_bytes(void)
{
    static const size_t sizes[] = {125, 126, 127, 4085, 4096, 65535, 65536, MOST};
    static char bytes[2 * MOST], text[MOST];
    for (size_t i = 0; i < MOST; i++)
        text[i] = (char)('a' + i % 23);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int parts = 1; parts <= 3; parts += 2) {
            size_t size = 0;
            for (int part = 0; part < parts; part++) {
                size_t from = sizes[i] * (size_t)part / (size_t)parts;
                size_t length = sizes[i] * (size_t)(part + 1) / (size_t)parts - from;
                int width = length < 126 ? 0 : length < 65536 ? 2 : 8;
                bytes[size++] = (char)((part + 1 == parts ? 0x80 : 0) | !part);
                bytes[size++] = (char)(!width ? length : width == 2 ? 126 : 127);
                for (int shift = 8 * (width - 1); shift >= 0; shift -= 8)
                    bytes[size++] = (char)(length >> shift);
                memcpy(bytes + size, text + from, length);
                size += length;
            }
            split(bytes, size, 1000, 0);
            EXPECT(seen.size > sizes[i] && seen.text[0] == 'D');
            EXPECT((size_t)atoi(seen.text + 1) == sizes[i]);
            EXPECT(!memcmp(seen.text + seen.size - sizes[i], text, sizes[i]));
        }
}

/* Through one buffer, for long: the room is always there, and what is kept moves to the front. */
static void test_the_buffer_is_used_again(void)
{
    ida_frames *f = ida_frames_new(100, 64, 0);
    static const char piece[] = "\x01\x03" "abc\x89\x02pq\x80\x02" "de\x81\x04" "wxyz";
    const ida_frames_view *v = ida_frames_look(f);
    for (size_t at = 0, turn = 0; turn < 5000; turn++) {
        size_t room, some = 1 + turn % 61;
        char *where = ida_frames_room(f, &room);
        EXPECT(room == 64);
        for (size_t i = 0; i < some; i++)
            where[i] = piece[at++ % (sizeof piece - 1)];
        ida_frames_received(f, some, 1);
        seen.size = 0;
        for (int stop; (stop = ida_frames_split(f, take, "D"));)
            EXPECT(stop == IDA_FRAMES_CONTROL && v->item_bytes == 4);
    }
    EXPECT(v->taken == v->messages && v->messages >= 2 * (v->bytes / (int64_t)sizeof piece));
    ida_frames_free(f);
}

int main(void)
{
    test_arguments();
    test_messages_at_any_cut();
    test_fragments_with_control_between();
    test_nothing_counts_after_a_close();
    test_what_breaks_the_protocol();
    test_compressed_messages_are_given_out_whole();
    test_without_a_sink_data_is_passed_over();
    test_long_messages_keep_their_bytes();
    test_the_buffer_is_used_again();
    return DONE;
}
