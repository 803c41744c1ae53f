/* pack.h - text to gzip members by the system's zlib, which is found when the program runs: nothing is needed to
 * build, and a machine without it is told from one with it. One thread at a time. */
#ifndef IDA_PACK_H
#define IDA_PACK_H
#include "status.h"

typedef struct ida_pack ida_pack;
/* libraries: names to try in turn, ended by NULL; NULL: the usual ones. level: 1 (fast) to 9 (small). most: bytes of
 * text in a member. NULL: no such library, a level that is none, or memory is short. */
ida_pack *ida_pack_new(const char *const *libraries, int level, size_t most);
void ida_pack_free(ida_pack *pack);
/* One whole member of `bytes` bytes of text; *member is good until the next call. Answers its bytes; 0: more than
 * `most`. */
size_t ida_pack_member(ida_pack *pack, const char *text, size_t bytes, const char **member);

#endif
