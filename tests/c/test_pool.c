/* needs: pool */
#include "expect.h"
#include "pool.h"

#include <string.h>

static void test_arguments(void)
{
    EXPECT(!ida_pool_new(0, 8));
    EXPECT(!ida_pool_new(8, 0));
    EXPECT(!ida_pool_new(2, SIZE_MAX));
    EXPECT(!ida_pool_new(SIZE_MAX / 2, 64));
    ida_pool_free(NULL);
}

static void test_blocks_are_apart_aligned_and_zeroed(void)
{
    enum { BLOCKS = 7, SIZE = 20 };
    static const unsigned char zeros[SIZE];
    unsigned char *blocks[BLOCKS];
    ida_pool *pool = ida_pool_new(BLOCKS, SIZE);
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = ida_pool_take(pool);
        EXPECT((uintptr_t)blocks[i] % 16 == 0);
        EXPECT(!memcmp(blocks[i], zeros, SIZE));
        memset(blocks[i], i + 1, SIZE);
        EXPECT(ida_pool_available(pool) == (size_t)(BLOCKS - 1 - i));
    }
    EXPECT(!ida_pool_take(pool));
    for (int i = 0; i < BLOCKS; i++)
        EXPECT(blocks[i][0] == i + 1 && blocks[i][SIZE - 1] == i + 1);
    ida_pool_free(pool);
}

static void test_given_blocks_come_again_as_they_were(void)
{
    ida_pool *pool = ida_pool_new(2, 64);
    unsigned char *first = ida_pool_take(pool), *second = ida_pool_take(pool);
    memset(first, 7, 64);
    ida_pool_give(pool, first);
    EXPECT(ida_pool_available(pool) == 1);
    EXPECT(ida_pool_take(pool) == first);
    EXPECT(first[0] == 7 && first[63] == 7);
    ida_pool_give(pool, second);
    ida_pool_give(pool, first);
    EXPECT(ida_pool_available(pool) == 2);
    ida_pool_free(pool);
}

int main(void)
{
    test_arguments();
    test_blocks_are_apart_aligned_and_zeroed();
    test_given_blocks_come_again_as_they_were();
    return DONE;
}
