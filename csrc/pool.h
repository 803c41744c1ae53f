/* pool.h - a fixed number of equal blocks, taken and given back in O(1). One thread. */
#ifndef IDA_POOL_H
#define IDA_POOL_H
#include "status.h"

typedef struct ida_pool ida_pool;
/* All memory is taken here. NULL: a zero argument, or memory is short. Blocks are 16-byte aligned and zeroed. */
ida_pool *ida_pool_new(size_t blocks, size_t block_size);
void ida_pool_free(ida_pool *pool);
/* A block, or NULL when all are out. Its bytes are those it was given back with (zero the first time). */
void *ida_pool_take(ida_pool *pool);
/* block must have come from this pool and be out. */
void ida_pool_give(ida_pool *pool, void *block);
size_t ida_pool_available(const ida_pool *pool);

#endif
