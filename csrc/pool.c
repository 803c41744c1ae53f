#include "pool.h"
#include "room.h"

#include <stdlib.h>

enum { ALIGNMENT = 16 };

struct ida_pool {
    unsigned char *memory;
    size_t stride;
    size_t blocks;
    size_t fresh;  /* blocks from here on were never out: memory that is not used is not touched */
    size_t given;  /* entries on the stack */
    void **stack;  /* blocks given back */
};

ida_pool *ida_pool_new(size_t blocks, size_t block_size)
{
    if (!blocks || !block_size || block_size > SIZE_MAX - ALIGNMENT)
        return NULL;
    size_t stride = (block_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (stride > SIZE_MAX / blocks)
        return NULL;
    ida_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->blocks = blocks;
    pool->stride = stride;
    pool->memory = ida_room_new(blocks, stride);
    pool->stack = ida_room_new(blocks, sizeof *pool->stack);
    if (!pool->memory || !pool->stack) {
        ida_pool_free(pool);
        return NULL;
    }
    return pool;
}

void ida_pool_free(ida_pool *pool)
{
    if (!pool)
        return;
    ida_room_free(pool->memory, pool->blocks, pool->stride);
    ida_room_free(pool->stack, pool->blocks, sizeof *pool->stack);
    free(pool);
}

void *ida_pool_take(ida_pool *pool)
{
    if (pool->given)
        return pool->stack[--pool->given];
    if (pool->fresh == pool->blocks)
        return NULL;
    return pool->memory + pool->fresh++ * pool->stride;
}

void ida_pool_give(ida_pool *pool, void *block)
{
    pool->stack[pool->given++] = block;
}

size_t ida_pool_available(const ida_pool *pool)
{
    return pool->blocks - pool->fresh + pool->given;
}
