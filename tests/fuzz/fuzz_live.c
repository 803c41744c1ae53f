/* needs: agents tape chance feed crc match ahead fill map maths orders recorded stops taker market book sync pool inlet watch journal segment thread gate status */
/* A script of what comes into a live timeline (records with any numbers, proofs of life, marks, tokens), and of when its
 * taker looks, how far and how late: time never falls, nothing is told while a book that is taken for good has older
 * proof than its bound, silences and delays are told in turns, and all that was committed comes out. */
#include "fuzz.h"
#include "timeline.h"

/* Room for less: it is taken anew for each script. */
#define ida_market_new(chain, pages, max_price, bytes) ida_market_new(chain, pages, max_price, (bytes) >> 12)
#define ida_sync_new(chain, bytes) ida_sync_new(chain, (bytes) >> 12)
#define ida_match_new(book, max_price, orders, reports, model, power, first) \
    ida_match_new(book, max_price, orders, (reports) >> 8, model, power, first)
#include "timeline.c"

enum { INSTRUMENTS = 2, MAX_PRICE = 2047, START = 1000, BOUND = 100, DELAY = 20, PROOFS = 8192, MOST = 4096 };

typedef struct proof {
    uint64_t place;
    int64_t ts_ns;
} proof;

typedef struct live_state {
    ida_timeline *t;
    ida_inlet *inlet;
    int64_t now, real, judged, ids[INSTRUMENTS];
    int silent[INSTRUMENTS], behind, is_marked;
    proof proofs[INSTRUMENTS][PROOFS];
    size_t proven[INSTRUMENTS];
    uint64_t steps;
} live_state;

static void prove(live_state *l, uint32_t i)
{
    const ida_inlet_view *view = ida_inlet_look(l->inlet);
    if (l->proven[i] < PROOFS)
        l->proofs[i][l->proven[i]++] = (proof){view->entered, view->newest_ns};
}

/* The last proof among what has gone out. */
static int64_t proof_of(const live_state *l, uint32_t i)
{
    uint64_t taken = ida_inlet_look(l->inlet)->taken;
    int64_t last = START;
    for (size_t k = 0; k < l->proven[i] && l->proofs[i][k].place <= taken; k++)
        last = l->proofs[i][k].ts_ns;
    return last;
}

/* Sound or not, as the script will have it. */
static void put(live_state *l, script *s)
{
    uint8_t op = script_byte(s);
    uint32_t i = op % INSTRUMENTS, levels = op / 4 % 3;
    size_t size = sizeof(ida_depth) + levels * sizeof(ida_level);
    ida_depth *room = ida_inlet_room(l->inlet, size);
    if (!room)
        return;
    memset(room, 0, size);
    room->head = (ida_record){.length = (uint32_t)size, .kind = IDA_DEPTH, .instrument = i,
                              .ts_local_ns = l->real - script_byte(s) % 64};
    room->first_id = room->last_id = ++l->ids[i];
    room->bids = levels;
    for (uint32_t k = 0; k < levels; k++)
        room->levels[k] = (ida_level){script_number(s), script_number(s)};
    if (op >= 240)
        room->head.kind = IDA_SNAPSHOT;
    else if (op >= 220)
        room->last_id = script_number(s);
    else if (op >= 200) {
        room->head.kind = IDA_TRADE;
        room->head.length = sizeof(ida_trade);
    } else if (op >= 190) {
        room->head.length = (uint32_t)script_number(s);
        room->head.kind = script_byte(s);
        room->head.instrument = script_byte(s);
        room->bids = script_byte(s);
    }
    if (size < room->head.length && op >= 200 && op < 220)
        return; /* a trade is longer than a depth without levels */
    ida_status status = ida_inlet_commit(l->inlet);
    HOLDS(status == IDA_OK || op >= 190);
    HOLDS(status == IDA_OK || status == IDA_BAD || status == IDA_UNKNOWN);
    if (status == IDA_OK && room->head.kind == IDA_DEPTH)
        prove(l, room->head.instrument);
}

static void hold_ages(const live_state *l, int told_state, uint32_t of)
{
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        HOLDS(!l->silent[i] || !ida_market_look(ida_timeline_market(l->t, i))->synced);
        HOLDS(!l->silent[i] || !ida_timeline_exchange_ready(l->t, i));
        if (!l->silent[i] && !told_state)
            HOLDS(l->judged - proof_of(l, i) <= BOUND);
        if (told_state && i == of && l->silent[i])
            HOLDS(l->judged - proof_of(l, i) > BOUND);
    }
}

static void hold_told(live_state *l, const ida_event *event)
{
    uint32_t i = event->instrument;
    int told_state = event->what == IDA_AT_STATE && !event->record;
    if (told_state) {
        HOLDS(event->changes == (l->silent[i] ? IDA_CHANGED_HEARD : IDA_CHANGED_SILENT));
        l->silent[i] = !l->silent[i];
    } else if (event->what == IDA_AT_BEHIND) {
        HOLDS(event->changes == !l->behind && event->told[0] >= 0 && event->told[1] >= 0);
        l->behind = event->changes;
    } else if (event->what == IDA_AT_TOLD) {
        HOLDS(l->is_marked);
        l->is_marked = 0;
        ida_inlet_mark(l->inlet, UINT64_MAX, 0);
    } else if (event->what == IDA_AT_BOOK)
        HOLDS(!l->behind || i == 1); /* that one has an interval, by which it is told */
    else if (event->what == IDA_AT_RECORD)
        HOLDS(event->record->ts_local_ns == event->now_ns);
    HOLDS(event->what != IDA_AT_FAILURE && event->what != IDA_AT_END);
    hold_ages(l, told_state, i);
}

/* Up to so many happenings, each of which takes its time; 1 if nothing was left. */
static int take(live_state *l, int64_t until, unsigned most, unsigned busy)
{
    ida_event event;
    size_t reports;
    while (most--) {
        *ida_timeline_real(l->t) = l->real;
        int what = ida_timeline_next(l->t, until, &event);
        HOLDS(event.now_ns >= l->now && event.now_ns <= (until > l->now ? until : l->now));
        HOLDS(event.now_ns == ida_timeline_now(l->t));
        if (event.now_ns > l->now)
            l->judged = event.now_ns > l->real ? event.now_ns : l->real;
        l->now = event.now_ns;
        l->steps++;
        if (what == IDA_AT_TIME || what == IDA_AT_PAUSE)
            return what == IDA_AT_TIME;
        if (what == IDA_AT_REPORTS) {
            ida_match_reports(ida_timeline_match(l->t, event.instrument), &reports);
            ida_match_clear_reports(ida_timeline_match(l->t, event.instrument));
        } else if (what != IDA_AT_FUNDING && what != IDA_AT_ARRIVAL)
            hold_told(l, &event);
        l->real += busy;
    }
    return 0;
}

static void act(live_state *l, script *s)
{
    uint8_t op = script_byte(s), by = script_byte(s);
    switch (op % 8) {
    case 0: l->real += by; break;
    case 1: take(l, l->real, 1u + by % 64, op / 64 * 15); break;
    case 2: take(l, l->now + by < l->real ? l->now + by : l->real, 64, 0); break;
    case 3:
        ida_inlet_alive(l->inlet, by % INSTRUMENTS, l->real - by / 4);
        prove(l, by % INSTRUMENTS);
        break;
    case 4:
        if (!l->is_marked)
            ida_inlet_mark(l->inlet, ida_inlet_look(l->inlet)->entered, l->real);
        l->is_marked = 1;
        break;
    case 5: ida_timeline_send(l->t, l->now + by, op); break;
    default:
        for (int k = 0; k <= by % 16; k++, l->real++)
            put(l, s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script s = {data, data + size};
    live_state *l = calloc(1, sizeof *l);
    HOLDS(l);
    l->t = ida_timeline_new(INSTRUMENTS, 64);
    l->inlet = ida_inlet_new(IDA_INLET_LEAST, INSTRUMENTS);
    HOLDS(l->t && l->inlet);
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
        HOLDS(ida_timeline_add_instrument(l->t, IDA_CHAIN_CONTIGUOUS, 8, MAX_PRICE, IDA_QUEUE_RISK_AVERSE, 1, 16) == IDA_OK);
        ida_timeline_subscribe(l->t, i, IDA_SUB_BOOK | IDA_SUB_TRADE, i ? 10 : 0);
    }
    HOLDS(ida_timeline_set_inlet(l->t, l->inlet, START, DELAY) == IDA_OK);
    for (uint32_t i = 0; i < INSTRUMENTS; i++)
        ida_timeline_set_staleness(l->t, i, BOUND);
    l->now = l->real = l->judged = START;
    for (unsigned steps = 0; s.at < s.end && steps < MOST; steps++)
        act(l, &s);
    l->real += 1; /* what came in at a moment that was done already is told as of the next */
    for (unsigned k = 0; k < 1000 && !take(l, l->real, 10000, 0); k++)
        ;
    const ida_inlet_view *view = ida_inlet_look(l->inlet);
    HOLDS(view->taken == view->entered && view->bytes == 0 && !l->behind);
    HOLDS(ida_timeline_events(l->t) == view->committed);
    ida_timeline_free(l->t);
    ida_inlet_free(l->inlet);
    free(l);
    return 0;
}
