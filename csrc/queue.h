/* queue.h - bounded queue of fixed-size records, one producer thread, one consumer thread.
 * Nothing here blocks, locks or allocates after ida_queue_new. Both calls copy the record. */
#ifndef IDA_QUEUE_H
#define IDA_QUEUE_H
#include "status.h"

typedef struct ida_queue ida_queue;
/* capacity: records, a power of two. NULL if it is not, or if memory is short.
 * The caller owns the result and gives it back with ida_queue_free. */
ida_queue *ida_queue_new(size_t capacity, size_t record_size);
void ida_queue_free(ida_queue *q);
/* Producer only. IDA_FULL leaves the queue unchanged; the caller chooses what to drop. */
ida_status ida_queue_push(ida_queue *q, const void *record);
/* Consumer only. IDA_EMPTY leaves *record unchanged. */
ida_status ida_queue_pop(ida_queue *q, void *record);
/* Consumer only: up to `most` records into `records`; how many. */
size_t ida_queue_pop_many(ida_queue *q, void *records, size_t most);
/* Either thread; a moment's figure. */
size_t ida_queue_length(const ida_queue *q);
size_t ida_queue_capacity(const ida_queue *q);

#endif
