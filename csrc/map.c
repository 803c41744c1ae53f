#include "map.h"
#include "room.h"

#include <stdlib.h>

typedef struct entry {
    uint64_t key;
    void *value; /* NULL: free */
} entry;

struct ida_map {
    entry *entries; /* linear probing; at most half of them in use */
    size_t mask;
    int shift;
};

static size_t home(const ida_map *map, uint64_t key)
{
    return (size_t)((key * 0x9e3779b97f4a7c15ull) >> map->shift);
}

static size_t find(const ida_map *map, uint64_t key)
{
    size_t at = home(map, key);
    while (map->entries[at].value && map->entries[at].key != key)
        at = (at + 1) & map->mask;
    return at;
}

ida_map *ida_map_new(size_t capacity)
{
    if (!capacity || capacity > SIZE_MAX / 64)
        return NULL;
    ida_map *map = malloc(sizeof *map);
    if (!map)
        return NULL;
    int bits = 4;
    while ((size_t)1 << bits < capacity * 2)
        bits++;
    map->mask = ((size_t)1 << bits) - 1;
    map->shift = 64 - bits;
    map->entries = ida_room_new(map->mask + 1, sizeof *map->entries);
    if (!map->entries) {
        free(map);
        return NULL;
    }
    return map;
}

void ida_map_free(ida_map *map)
{
    if (!map)
        return;
    ida_room_free(map->entries, map->mask + 1, sizeof *map->entries);
    free(map);
}

void *ida_map_get(const ida_map *map, uint64_t key)
{
    return map->entries[find(map, key)].value;
}

void ida_map_put(ida_map *map, uint64_t key, void *value)
{
    map->entries[find(map, key)] = (entry){key, value};
}

void ida_map_remove(ida_map *map, uint64_t key)
{
    size_t hole = find(map, key);
    /* Entries that had to probe past the hole move up into it, so that no search ends too early. */
    for (size_t at = (hole + 1) & map->mask; map->entries[at].value; at = (at + 1) & map->mask) {
        size_t wanted = home(map, map->entries[at].key);
        if (((at - wanted) & map->mask) >= ((at - hole) & map->mask)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole].value = NULL;
}
