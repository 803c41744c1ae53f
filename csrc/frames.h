/* frames.h - splits the byte stream of a WebSocket, as a client receives it, into messages, and hands each whole data
 * message to a sink straight from the receive buffer. Fragments are joined in that same buffer. Knows neither socket
 * nor clock: the caller receives into ida_frames_room and says how much came when. One thread.
 * Whether a text is UTF-8 is left to the sink. Control frames are the caller's: they are given out as they came. */
#ifndef IDA_FRAMES_H
#define IDA_FRAMES_H
#include "status.h"

/* A sink of whole messages; text is not NUL-terminated and good for the call alone. */
typedef int (*ida_message_sink)(void *state, const char *text, size_t bytes, int64_t ts_local_ns);
/* What a sink answers. IDA_SUNK: taken. IDA_SHOWN: to be shown to Python. */
enum ida_sunk { IDA_SUNK = 0, IDA_SHOWN = 1 };

/* A sink that takes nothing: each message is to be shown. */
int ida_frames_show_all(void *state, const char *text, size_t bytes, int64_t ts_local_ns);

/* What ida_frames_split stopped at. */
enum ida_frames_stop {
    IDA_FRAMES_DRY = 0,      /* nothing whole is left: receive more */
    IDA_FRAMES_SHOW = 1,     /* item: a message that the sink did not take */
    IDA_FRAMES_CONTROL = 2,  /* item: a ping, pong or close frame, header included; after a close all else is dropped */
    IDA_FRAMES_DEFLATED = 3, /* item: a whole compressed message; give what it says to ida_frames_hand */
    IDA_FRAMES_BROKEN = 4    /* the peer broke the protocol: rule and close_code say how. It stays so. */
};

typedef struct ida_frames_view {
    int64_t messages;    /* whole data messages */
    int64_t taken;       /* those that the sink took */
    int64_t bytes;       /* received in all */
    int64_t last_ns;     /* ts_local_ns of the last receive; 0 before */
    const char *item;    /* good until the next call */
    size_t item_bytes;
    const char *rule;    /* once broken: static text; else NULL */
    int32_t opcode;      /* of the item */
    int32_t close_code;  /* once broken: what RFC 6455 has the other side told; else 0 */
} ida_frames_view;

typedef struct ida_frames ida_frames;
/* most_message_bytes: what a message may have, joined (a compressed one: as it comes). receive_bytes: room offered at
 * once. deflate: 1 if permessage-deflate was agreed on. NULL: no memory, or a size is 0. */
ida_frames *ida_frames_new(size_t most_message_bytes, size_t receive_bytes, int deflate);
void ida_frames_free(ida_frames *f);
const ida_frames_view *ida_frames_look(const ida_frames *f);
/* Where the next bytes are to be received; never NULL. *bytes: how many fit; receive_bytes, if all was split before. */
char *ida_frames_room(ida_frames *f, size_t *bytes);
/* So many bytes now stand where ida_frames_room said. IDA_RANGE: more than fit; nothing changed. */
ida_status ida_frames_received(ida_frames *f, size_t bytes, int64_t ts_local_ns);
/* Goes on until there is something for the caller: an ida_frames_stop. sink NULL: data messages are passed over. */
int ida_frames_split(ida_frames *f, ida_message_sink sink, void *state);
/* Hands one message to the sink, as ida_frames_split does with those that are not compressed: IDA_FRAMES_SHOW (the
 * item is the text) or IDA_FRAMES_DRY. */
int ida_frames_hand(ida_frames *f, ida_message_sink sink, void *state, const char *text, size_t bytes);
/* What a compressed message says cannot be known: too_big (1009), or it is broken (1007). IDA_FRAMES_BROKEN. */
int ida_frames_refuse(ida_frames *f, int too_big);

#endif
