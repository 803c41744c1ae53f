/* tape.h - inside the synthetic market (agents.h): what happened on the matching engine, told as records - trades at
 * once, quotes when the top changed, diffs at intervals - in a bounded ring from which they are taken in order.
 *
 * Update ids are one sequence: a quote takes one, a diff one for each of its levels, after those of the quotes before
 * it. So the newest quote at or below a diff's last id shows the top of the book that the diff leads to.
 * Nothing allocates after ida_tape_new. One thread. */
#ifndef IDA_TAPE_H
#define IDA_TAPE_H
#include "agents.h"

enum { IDA_NEVER_DUE = -1 };

typedef struct ida_tape ida_tape;
/* NULL if memory is short, or if the ring would have to be larger than 1 GiB for what is under way at once. */
ida_tape *ida_tape_new(const ida_agents_config *config, ida_match *match, uint32_t instrument);
void ida_tape_free(ida_tape *t);
/* The whole book as it stands; changes and trades so far are forgotten. Once, first. */
ida_status ida_tape_snapshot(ida_tape *t, int64_t now);
/* Room for whatever one action can change. */
int ida_tape_has_room(const ida_tape *t);
/* What changed since the last call, by at most `touched` orders placed or cancelled. IDA_FULL: the rest stays in the
 * matching engine until the next call. */
ida_status ida_tape_publish(ida_tape *t, int64_t now, size_t touched);
/* When the next diff is to be written; IDA_NEVER_DUE if nothing has changed. */
int64_t ida_tape_due(const ida_tape *t);
/* Writes it. One that is too large for a record is split: what concerns the top comes first, removals before. */
ida_status ida_tape_cut(ida_tape *t, int64_t now);
const ida_record *ida_tape_peek(const ida_tape *t);
void ida_tape_take(ida_tape *t);

#endif
