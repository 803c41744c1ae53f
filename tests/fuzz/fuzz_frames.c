/* needs: frames */
/* Any bytes of a server are messages, control frames or a broken rule: however they are cut into receives, the same
 * comes out, within the bounds, and there is always room for the next receive.
 * The first byte says whether compression was agreed on, the second how the second pass is cut. */
#include "fuzz.h"
#include "frames.h"

enum { MOST = 300, RECEIVE = 64 };

typedef struct pass {
    uint64_t hash;
    int64_t shown, control, taken, messages;
    int32_t close_code;
    const char *rule;
} pass;

static int take(void *state, const char *text, size_t bytes, int64_t ts_local_ns)
{
    pass *p = state;
    HOLDS(bytes <= MOST && ts_local_ns > 0);
    p->hash = fuzz_hash(fuzz_hash(p->hash, &bytes, sizeof bytes), text, bytes);
    return bytes && text[0] == '?' ? IDA_SHOWN : IDA_SUNK;
}

static void note(pass *p, const ida_frames_view *v, int stop, ida_frames *f)
{
    HOLDS(stop == IDA_FRAMES_SHOW || stop == IDA_FRAMES_CONTROL || stop == IDA_FRAMES_DEFLATED);
    HOLDS(v->item_bytes <= MOST && (stop != IDA_FRAMES_CONTROL || (v->item_bytes >= 2 && v->item_bytes <= 127)));
    p->hash = fuzz_hash(p->hash + (uint64_t)stop, v->item, v->item_bytes);
    p->shown += stop == IDA_FRAMES_SHOW;
    p->control += stop == IDA_FRAMES_CONTROL;
    if (stop == IDA_FRAMES_DEFLATED && v->item_bytes % 2) {
        int handed = ida_frames_hand(f, take, p, v->item, v->item_bytes);
        p->shown += handed == IDA_FRAMES_SHOW;
    } else if (stop == IDA_FRAMES_DEFLATED && v->item_bytes > 100) {
        HOLDS(ida_frames_refuse(f, 1) == IDA_FRAMES_BROKEN);
    }
}

static pass run(const uint8_t *data, size_t size, int deflate, size_t seed)
{
    pass p = {.hash = 1};
    ida_frames *f = ida_frames_new(MOST, RECEIVE, deflate);
    HOLDS(f);
    const ida_frames_view *v = ida_frames_look(f);
    for (size_t at = 0, turn = 1; at < size && !v->rule; turn++) {
        size_t room, some = seed ? 1 + (seed * turn) % RECEIVE : RECEIVE;
        char *where = ida_frames_room(f, &room);
        HOLDS(room == RECEIVE);
        some = some < size - at ? some : size - at;
        memcpy(where, data + at, some);
        at += some;
        HOLDS(ida_frames_received(f, some, (int64_t)turn) == IDA_OK && v->bytes == (int64_t)at);
        for (int stop; (stop = ida_frames_split(f, take, &p)) != IDA_FRAMES_DRY && stop != IDA_FRAMES_BROKEN;)
            note(&p, v, stop, f);
    }
    HOLDS(!v->rule == !v->close_code && v->messages == v->taken + p.shown);
    p.taken = v->taken;
    p.messages = v->messages;
    p.close_code = v->close_code;
    p.rule = v->rule;
    ida_frames_free(f);
    return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    char *bytes = fuzz_copy(data + 2, size - 2);
    pass whole = run((const uint8_t *)bytes, size - 2, data[0] & 1, 0);
    pass cut = run((const uint8_t *)bytes, size - 2, data[0] & 1, data[1] + 1u);
    HOLDS(whole.hash == cut.hash && whole.rule == cut.rule && whole.close_code == cut.close_code);
    HOLDS(whole.taken == cut.taken && whole.messages == cut.messages && whole.control == cut.control);
    free(bytes);
    return 0;
}
