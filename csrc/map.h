/* map.h - a hash map of whole numbers to pointers, of a fixed capacity. Nothing here allocates after
 * ida_map_new. One thread. */
#ifndef IDA_MAP_H
#define IDA_MAP_H
#include "status.h"

typedef struct ida_map ida_map;
/* capacity: how many entries it must hold. NULL if it is 0 or memory is short. */
ida_map *ida_map_new(size_t capacity);
void ida_map_free(ida_map *map);
/* NULL if the key is not there. */
void *ida_map_get(const ida_map *map, uint64_t key);
/* The key must not be there, value not NULL, and fewer than `capacity` entries in use. */
void ida_map_put(ida_map *map, uint64_t key, void *value);
/* Nothing happens if the key is not there. */
void ida_map_remove(ida_map *map, uint64_t key);

#endif
