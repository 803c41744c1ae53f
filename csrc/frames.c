#include "frames.h"

#include <stdlib.h>
#include <string.h>

enum {
    OPCODE_CONTINUATION = 0, OPCODE_TEXT = 1, OPCODE_BINARY = 2, OPCODE_CLOSE = 8, OPCODE_PONG = 10,
    MOST_HEADER = 10, MOST_CONTROL = 125,
    CODE_PROTOCOL = 1002, CODE_PAYLOAD = 1007, CODE_TOO_BIG = 1009
};

/* room[begin .. begin+joined-1] are the fragments of a message, their headers taken out; room[at .. end-1] is not yet
 * looked at, and begins with a frame. */
struct ida_frames {
    ida_frames_view view;
    size_t most, receive, capacity;
    size_t begin, joined, at, end;
    int deflate, fragmented, compressed, closed;
    int32_t opcode; /* of the message whose fragments come */
    unsigned char room[];
};

typedef struct frame {
    int final, reserved, opcode;
    size_t header;
    uint64_t payload;
} frame;

ida_frames *ida_frames_new(size_t most_message_bytes, size_t receive_bytes, int deflate)
{
    size_t over = sizeof(ida_frames) + MOST_HEADER + MOST_CONTROL;
    if (!most_message_bytes || !receive_bytes || most_message_bytes > SIZE_MAX / 4 || receive_bytes > SIZE_MAX / 4)
        return NULL;
    ida_frames *f = malloc(over + most_message_bytes + receive_bytes);
    if (!f)
        return NULL;
    memset(f, 0, sizeof *f);
    f->most = most_message_bytes;
    f->receive = receive_bytes;
    f->capacity = MOST_HEADER + MOST_CONTROL + most_message_bytes + receive_bytes;
    f->deflate = deflate;
    return f;
}

void ida_frames_free(ida_frames *f) { free(f); }

const ida_frames_view *ida_frames_look(const ida_frames *f) { return &f->view; }

/* To the front, when that costs no more than what was gone through since, or when it must be. */
static void compact(ida_frames *f)
{
    size_t rest = f->end - f->at, kept = f->joined + rest, start = f->joined ? f->begin : f->at;
    if (start < kept && f->capacity - f->end >= f->receive)
        return;
    if (f->begin)
        memmove(f->room, f->room + f->begin, f->joined);
    memmove(f->room + f->joined, f->room + f->at, rest);
    f->begin = 0;
    f->at = f->joined;
    f->end = kept;
}

char *ida_frames_room(ida_frames *f, size_t *bytes)
{
    compact(f);
    size_t left = f->capacity - f->end;
    *bytes = left < f->receive ? left : f->receive;
    return (char *)f->room + f->end;
}

ida_status ida_frames_received(ida_frames *f, size_t bytes, int64_t ts_local_ns)
{
    if (bytes > f->capacity - f->end)
        return IDA_RANGE;
    f->end += bytes;
    f->view.bytes += (int64_t)bytes;
    f->view.last_ns = ts_local_ns;
    return IDA_OK;
}

static int broken(ida_frames *f, const char *rule, int32_t code)
{
    f->view.rule = rule;
    f->view.close_code = code;
    f->at = f->end;
    f->joined = 0;
    return IDA_FRAMES_BROKEN;
}

static int stop_at(ida_frames *f, int stop, int32_t opcode, const void *item, size_t bytes)
{
    f->view.item = item;
    f->view.item_bytes = bytes;
    f->view.opcode = opcode;
    return stop;
}

int ida_frames_refuse(ida_frames *f, int too_big)
{
    return too_big ? broken(f, "the message is larger than what is taken", CODE_TOO_BIG)
                   : broken(f, "the compressed message cannot be unpacked", CODE_PAYLOAD);
}

/* What the first two bytes break; NULL: nothing. */
static const char *broken_rule(const ida_frames *f, const frame *h, unsigned char second)
{
    int control = h->opcode >= OPCODE_CLOSE;
    if (second & 0x80)
        return "a frame from the server must not be masked";
    if ((h->opcode > OPCODE_BINARY && !control) || h->opcode > OPCODE_PONG)
        return "the frame's opcode is reserved";
    if (h->reserved & ~0x40 || (h->reserved && (!f->deflate || control || h->opcode == OPCODE_CONTINUATION)))
        return "reserved bits are set that were not agreed on";
    if (control && (!h->final || (second & 0x7F) > MOST_CONTROL))
        return "a control frame must be whole and of at most 125 bytes";
    if (h->opcode == OPCODE_CONTINUATION && !f->fragmented)
        return "a continuation without a beginning";
    if (!control && h->opcode != OPCODE_CONTINUATION && f->fragmented)
        return "a new message within a fragmented one";
    return NULL;
}

/* The length in `width` bytes; 0 if it would fit fewer or has the highest bit set. */
static uint64_t wide_length(const unsigned char *from, int width)
{
    uint64_t length = 0;
    for (int i = 0; i < width; i++)
        length = length << 8 | from[i];
    return length < (width == 2 ? 126u : 65536u) || length >> 63 ? 0 : length;
}

/* 1: a header is there and holds. 0: more bytes are needed. -1: broken. */
static int read_header(ida_frames *f, frame *h)
{
    const unsigned char *from = f->room + f->at;
    size_t there = f->end - f->at;
    if (there < 2)
        return 0;
    *h = (frame){from[0] >> 7, from[0] & 0x70, from[0] & 0x0F, 2, from[1] & 0x7F};
    const char *rule = broken_rule(f, h, from[1]);
    if (rule) {
        broken(f, rule, CODE_PROTOCOL);
        return -1;
    }
    int width = h->payload < 126 ? 0 : h->payload == 126 ? 2 : 8;
    h->header += (size_t)width;
    if (there < h->header)
        return 0;
    if (width && !(h->payload = wide_length(from + 2, width))) {
        broken(f, "a frame's length must be written as short as can be", CODE_PROTOCOL);
        return -1;
    }
    if (h->opcode < OPCODE_CLOSE && h->payload > f->most - f->joined) {
        ida_frames_refuse(f, 1);
        return -1;
    }
    return 1;
}

int ida_frames_show_all(void *state, const char *text, size_t bytes, int64_t ts_local_ns)
{
    (void)state, (void)text, (void)bytes, (void)ts_local_ns;
    return IDA_SHOWN;
}

int ida_frames_hand(ida_frames *f, ida_message_sink sink, void *state, const char *text, size_t bytes)
{
    f->view.messages++;
    if (!sink)
        return IDA_FRAMES_DRY;
    if (sink(state, text, bytes, f->view.last_ns) != IDA_SUNK)
        return stop_at(f, IDA_FRAMES_SHOW, f->view.opcode, text, bytes);
    f->view.taken++;
    return IDA_FRAMES_DRY;
}

static int message(ida_frames *f, int32_t opcode, int compressed, const void *text, size_t bytes, ida_message_sink sink,
                   void *state)
{
    f->view.opcode = opcode;
    if (compressed)
        return stop_at(f, IDA_FRAMES_DEFLATED, opcode, text, bytes);
    return ida_frames_hand(f, sink, state, text, bytes);
}

/* A frame of a fragmented message: behind those before it. */
static int fragment(ida_frames *f, const frame *h, const unsigned char *payload, ida_message_sink sink, void *state)
{
    if (h->opcode != OPCODE_CONTINUATION) {
        f->fragmented = 1;
        f->compressed = h->reserved != 0;
        f->opcode = h->opcode;
        f->begin = (size_t)(payload - f->room);
        f->joined = (size_t)h->payload;
        return IDA_FRAMES_DRY;
    }
    memmove(f->room + f->begin + f->joined, payload, (size_t)h->payload);
    f->joined += (size_t)h->payload;
    if (!h->final)
        return IDA_FRAMES_DRY;
    size_t bytes = f->joined;
    f->fragmented = 0;
    f->joined = 0;
    return message(f, f->opcode, f->compressed, f->room + f->begin, bytes, sink, state);
}

int ida_frames_split(ida_frames *f, ida_message_sink sink, void *state)
{
    frame h;
    int stop = IDA_FRAMES_DRY, header = 0;
    if (f->view.rule)
        return IDA_FRAMES_BROKEN;
    if (f->closed)
        f->at = f->end;
    while (stop == IDA_FRAMES_DRY && (header = read_header(f, &h)) > 0 && f->end - f->at - h.header >= h.payload) {
        const unsigned char *start = f->room + f->at, *payload = start + h.header;
        f->at += h.header + (size_t)h.payload;
        if (h.opcode >= OPCODE_CLOSE) {
            f->closed = h.opcode == OPCODE_CLOSE;
            return stop_at(f, IDA_FRAMES_CONTROL, h.opcode, start, h.header + (size_t)h.payload);
        }
        if (h.final && h.opcode != OPCODE_CONTINUATION)
            stop = message(f, h.opcode, h.reserved != 0, payload, (size_t)h.payload, sink, state);
        else
            stop = fragment(f, &h, payload, sink, state);
    }
    return header < 0 ? IDA_FRAMES_BROKEN : stop;
}
