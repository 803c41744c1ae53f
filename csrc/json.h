/* json.h - walks over JSON text and looks at all of it (RFC 8259, valid UTF-8), building nothing. For the parts of a
 * message that a decoder has no use for, and for strings with escapes. Nothing is read beyond `bytes`. */
#ifndef IDA_JSON_H
#define IDA_JSON_H
#include "status.h"

enum { IDA_JSON_DEPTH = 64 }; /* arrays and objects within each other */

/* Passes over one value that begins at text[*at] (white space before it is passed too); *at is then the byte after
 * it. On a failure *at is the byte that broke *rule (static text): IDA_BAD, or IDA_RANGE when nested too deeply. */
ida_status ida_json_skip(const char *text, size_t bytes, size_t *at, const char **rule);
/* The same for a string; text[*at] is its opening quote. *escaped: 1 if it holds a backslash. */
ida_status ida_json_skip_string(const char *text, size_t bytes, size_t *at, int *escaped, const char **rule);
/* The same for a number; text[*at] is its first character. */
ida_status ida_json_skip_number(const char *text, size_t bytes, size_t *at, const char **rule);
/* A string's text (between its quotes, checked before) with its escapes resolved, as UTF-8.
 * IDA_FULL: longer than capacity. IDA_BAD: half of a surrogate pair, which UTF-8 cannot say. */
ida_status ida_json_unescape(const char *raw, size_t bytes, char *out, size_t capacity, size_t *length);

#endif
