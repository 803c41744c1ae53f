/* needs: json */
/* JSON's grammar by table, each text in memory of exactly its length, cut at every byte and with every byte changed. */
#include "json.h"

#include <stdlib.h>
#include <string.h>

#include "expect.h"

static const char *const sound[] = {
    "0", "-0", "10", "-12.50", "1e5", "1E+05", "2.5e-3", "true", "false", "null", "\"\"", "[]", "{}", " [ ] ", "{ }",
    "[1,2 , 3]", "{\"a\":1}", "{\"a\" : {\"b\":[{}, [], null]}, \"c\":\"\"}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
    "\"\xc3\xa9 \xe8\xbf\x99 \xf0\x9f\x98\x80 \xed\x9f\xbf \xee\x80\x80\"", "\"\\ud83d\\ude00\"", "\"\x7f\"",
    "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", "\t\r\n 1",
};

static const char *const unsound[] = {
    "", " ", "01", "-", "+1", ".5", "1.", "1e", "1e+", "-a", "tru", "nul", "True", "'a'", "\"", "\"\\\"", "\"\\x\"", "\"\\u12g4\"",
    "\"\\u12\"", "\"\n\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "\"\x80\"",
    "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "{\"a\" 1}",
    "{1:2}", "[}", "{]", "\"\\u", "\xef\xbb\xbf" "1",
};

static ida_status skip(const char *text, size_t length, size_t *at)
{
    char *copy = malloc(length ? length : 1);
    const char *rule = NULL;
    memcpy(copy, text, length);
    *at = 0;
    ida_status status = ida_json_skip(copy, length, at, &rule);
    EXPECT(*at <= length);
    EXPECT((status == IDA_OK) == (rule == NULL));
    free(copy);
    return status;
}

static void nothing_is_read_beyond(const char *text)
{
    size_t length = strlen(text), at;
    char changed[256];
    for (size_t cut = 0; cut < length; cut++)
        skip(text, cut, &at);
    for (size_t i = 0; i < length; i++)
        for (int c = 0; c < 256; c++) {
            memcpy(changed, text, length);
            changed[i] = (char)c;
            skip(changed, length, &at);
        }
}

static void depth_is_bounded(void)
{
    char text[2 * IDA_JSON_DEPTH + 4];
    for (int depth = IDA_JSON_DEPTH; depth <= IDA_JSON_DEPTH + 1; depth++) {
        size_t at;
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        EXPECT(skip(text, 2 * (size_t)depth, &at) == (depth > IDA_JSON_DEPTH ? IDA_RANGE : IDA_OK));
    }
}

static void unescape(const char *raw, const char *expected)
{
    char out[16];
    size_t length = 0;
    ida_status status = ida_json_unescape(raw, strlen(raw), out, sizeof out, &length);
    EXPECT(status == (expected ? IDA_OK : IDA_BAD));
    if (expected)
        EXPECT(length == strlen(expected) && !memcmp(out, expected, length));
}

static void escapes_are_resolved(void)
{
    char out[4];
    size_t length = 0;
    unescape("", "");
    unescape("a\\\"\\\\\\/\\b\\f\\n\\r\\t", "a\"\\/\b\f\n\r\t");
    unescape("\\u0041\\u00e9\\u8fd9", "A\xc3\xa9\xe8\xbf\x99");
    unescape("\\ud83d\\ude00", "\xf0\x9f\x98\x80");
    unescape("\\ud83d", NULL);
    unescape("\\ud83d\\u0041", NULL);
    unescape("\\ude00", NULL);
    EXPECT(ida_json_unescape("abcde", 5, out, sizeof out, &length) == IDA_FULL);
    EXPECT(ida_json_unescape("abcd", 4, out, sizeof out, &length) == IDA_OK && length == 4);
}

int main(void)
{
    size_t at;
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        EXPECT(skip(sound[i], strlen(sound[i]), &at) == IDA_OK);
        nothing_is_read_beyond(sound[i]);
    }
    for (size_t i = 0; i < sizeof unsound / sizeof *unsound; i++) {
        EXPECT(skip(unsound[i], strlen(unsound[i]), &at) == IDA_BAD);
        nothing_is_read_beyond(unsound[i]);
    }
    EXPECT(skip("1 2", 3, &at) == IDA_OK && at == 1);
    EXPECT(skip("{} x", 4, &at) == IDA_OK && at == 2);
    depth_is_bounded();
    escapes_are_resolved();
    return DONE;
}
