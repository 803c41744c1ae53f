/* needs: map */
#include "expect.h"
#include "map.h"

static void test_arguments(void)
{
    EXPECT(!ida_map_new(0));
    EXPECT(!ida_map_new(SIZE_MAX));
    ida_map_free(NULL);
}

/* Keys that all want few places, put and removed in turn, against a plain table. */
static void test_against_a_table(void)
{
    enum { KEYS = 300, CAPACITY = 64, STEPS = 100000 };
    static int here[KEYS];
    static char values[KEYS];
    uint64_t random = 1;
    size_t count = 0;
    ida_map *map = ida_map_new(CAPACITY);
    for (int step = 0; step < STEPS; step++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        unsigned key = (unsigned)(random >> 33) % KEYS;
        if (here[key])
            ida_map_remove(map, key << 20);
        else if (count < CAPACITY)
            ida_map_put(map, key << 20, &values[key]);
        else
            continue;
        count += here[key] ? -1 : 1;
        here[key] = !here[key];
        unsigned other = (unsigned)(random >> 45) % KEYS;
        EXPECT(ida_map_get(map, other << 20) == (here[other] ? &values[other] : NULL));
        ida_map_remove(map, (uint64_t)KEYS << 20);
    }
    for (unsigned key = 0; key < KEYS; key++)
        EXPECT(ida_map_get(map, key << 20) == (here[key] ? &values[key] : NULL));
    ida_map_free(map);
}

int main(void)
{
    test_arguments();
    test_against_a_table();
    return DONE;
}
