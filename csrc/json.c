#include "json.h"
#include <string.h>

/* Where a walk stands. Whatever fails says why in `rule`; `at` is then the byte at fault. */
typedef struct walk {
    const unsigned char *at;
    const unsigned char *end;
    const char *rule;
    ida_status status;
    int escaped; /* the last string held a backslash */
} walk;

static int fail(walk *w, const char *rule)
{
    w->rule = rule;
    w->status = IDA_BAD;
    return 0;
}

/* The next byte, or -1 at the end. */
static int next(const walk *w)
{
    return w->at < w->end ? *w->at : -1;
}

static void pass_space(walk *w)
{
    while (next(w) == ' ' || next(w) == '\n' || next(w) == '\r' || next(w) == '\t')
        w->at++;
}

static int pass_digits(walk *w)
{
    const unsigned char *from = w->at;
    while (next(w) >= '0' && next(w) <= '9')
        w->at++;
    return w->at > from || fail(w, "a digit is missing in a number");
}

static int pass_number(walk *w)
{
    if (next(w) == '-')
        w->at++;
    if (next(w) == '0') {
        w->at++;
        if (next(w) >= '0' && next(w) <= '9')
            return fail(w, "a number begins with a needless 0");
    } else if (!pass_digits(w)) {
        return 0;
    }
    if (next(w) == '.') {
        w->at++;
        if (!pass_digits(w))
            return 0;
    }
    if (next(w) == 'e' || next(w) == 'E') {
        w->at++;
        if (next(w) == '+' || next(w) == '-')
            w->at++;
        return pass_digits(w);
    }
    return 1;
}

static int hex(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* w->at is the backslash. */
static int pass_escape(walk *w)
{
    w->escaped = 1;
    w->at++;
    int c = next(w);
    if (c < 0 || !strchr("\"\\/bfnrtu", c) || c == 0)
        return fail(w, "an escape that JSON does not know");
    w->at++;
    for (int i = 0; c == 'u' && i < 4; i++, w->at++)
        if (next(w) < 0 || hex(next(w)) < 0)
            return fail(w, "\\u needs four hexadecimal digits");
    return 1;
}

/* One character of two to four bytes: no overlong form, no surrogate, nothing above U+10FFFF. */
static int pass_utf8(walk *w)
{
    int first = *w->at, more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || w->end - w->at <= more)
        return fail(w, "a string is not UTF-8");
    int second = w->at[1];
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
        (first == 0xf4 && second > 0x8f))
        return fail(w, "a string is not UTF-8");
    for (int i = 1; i <= more; i++)
        if ((w->at[i] & 0xc0) != 0x80)
            return fail(w, "a string is not UTF-8");
    w->at += more + 1;
    return 1;
}

static int pass_string(walk *w)
{
    w->escaped = 0;
    if (next(w) != '"')
        return fail(w, "a string should begin here");
    w->at++;
    for (;;) {
        int c = next(w);
        if (c < 0)
            return fail(w, "a string does not end");
        if (c == '"')
            break;
        if (c < 0x20)
            return fail(w, "a control character in a string");
        int sound = c == '\\' ? pass_escape(w) : c >= 0x80 ? pass_utf8(w) : (w->at++, 1);
        if (!sound)
            return 0;
    }
    w->at++;
    return 1;
}

static int pass_word(walk *w, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(w->end - w->at) < length || memcmp(w->at, word, length))
        return fail(w, "no JSON value begins like this");
    w->at += length;
    return 1;
}

static int pass_scalar(walk *w)
{
    int c = next(w);
    if (c == '"')
        return pass_string(w);
    if (c == 't')
        return pass_word(w, "true");
    if (c == 'f')
        return pass_word(w, "false");
    if (c == 'n')
        return pass_word(w, "null");
    if (c == '-' || (c >= '0' && c <= '9'))
        return pass_number(w);
    return fail(w, c < 0 ? "the text ends within a value" : "no JSON value begins like this");
}

static int pass_key(walk *w)
{
    pass_space(w);
    if (!pass_string(w))
        return 0;
    pass_space(w);
    if (next(w) != ':')
        return fail(w, "a colon is missing after a key");
    w->at++;
    return 1;
}

/* The arrays and objects that are open: a bit each, 1 for an object; the innermost is bit 0. */
typedef struct nest {
    uint64_t objects;
    int depth;
} nest;

/* Opens an array or object, up to its first value. 2: it was empty, and is closed again. */
static int open_container(walk *w, nest *n)
{
    int object = next(w) == '{';
    if (n->depth == IDA_JSON_DEPTH) {
        fail(w, "nested too deeply");
        w->status = IDA_RANGE;
        return 0;
    }
    w->at++;
    pass_space(w);
    if (next(w) == (object ? '}' : ']')) {
        w->at++;
        return 2;
    }
    n->objects = n->objects << 1 | (uint64_t)object;
    n->depth++;
    return object ? pass_key(w) : 1;
}

/* After a value: closes what ends here, up to the next value. 2: all is closed. */
static int after_value(walk *w, nest *n)
{
    while (n->depth) {
        int object = (int)(n->objects & 1);
        pass_space(w);
        if (next(w) == ',') {
            w->at++;
            return object ? pass_key(w) : 1;
        }
        if (next(w) != (object ? '}' : ']'))
            return fail(w, next(w) < 0 ? "the text ends within a value" : "a comma or a closing bracket is missing");
        w->at++;
        n->objects >>= 1;
        n->depth--;
    }
    return 2;
}

static int pass_value(walk *w)
{
    nest n = {0, 0};
    for (;;) {
        pass_space(w);
        int opens = next(w) == '{' || next(w) == '[';
        int done = opens ? open_container(w, &n) : pass_scalar(w) ? 2 : 0;
        if (done == 2)
            done = after_value(w, &n);
        if (done != 1)
            return done;
    }
}

static ida_status finish(const walk *w, const char *text, size_t *at, const char **rule)
{
    *at = (size_t)((const char *)w->at - text);
    if (w->status != IDA_OK)
        *rule = w->rule;
    return w->status;
}

static walk begin(const char *text, size_t bytes, size_t at)
{
    const unsigned char *from = (const unsigned char *)text;
    return (walk){from + at, from + bytes, NULL, IDA_OK, 0};
}

ida_status ida_json_skip(const char *text, size_t bytes, size_t *at, const char **rule)
{
    walk w = begin(text, bytes, *at);
    pass_value(&w);
    return finish(&w, text, at, rule);
}

ida_status ida_json_skip_string(const char *text, size_t bytes, size_t *at, int *escaped, const char **rule)
{
    walk w = begin(text, bytes, *at);
    pass_string(&w);
    *escaped = w.escaped;
    return finish(&w, text, at, rule);
}

ida_status ida_json_skip_number(const char *text, size_t bytes, size_t *at, const char **rule)
{
    walk w = begin(text, bytes, *at);
    pass_number(&w);
    return finish(&w, text, at, rule);
}

static uint32_t four_hex(const char *text)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 4 | (uint32_t)hex((unsigned char)text[i]);
    return value;
}

static size_t write_utf8(uint32_t code, char out[4])
{
    size_t bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = bytes; --i > 0; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[bytes] | code);
    return bytes;
}

/* The character that an escape stands for; *raw is its backslash, and is moved behind it. */
static ida_status escape(const char **raw, const char *end, uint32_t *code)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    char c = (*raw)[1];
    *raw += 2;
    const char *known = strchr(from, c);
    *code = known ? (uint32_t)to[known - from] : (uint32_t)(unsigned char)c;
    if (c != 'u')
        return IDA_OK;
    *code = four_hex(*raw);
    *raw += 4;
    if (*code < 0xd800 || *code > 0xdfff)
        return IDA_OK;
    if (*code > 0xdbff || end - *raw < 6 || (*raw)[0] != '\\' || (*raw)[1] != 'u')
        return IDA_BAD;
    uint32_t low = four_hex(*raw + 2);
    *raw += 6;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return low >= 0xdc00 && low <= 0xdfff ? IDA_OK : IDA_BAD;
}

ida_status ida_json_unescape(const char *raw, size_t bytes, char *out, size_t capacity, size_t *length)
{
    const char *end = raw + bytes;
    size_t used = 0;
    while (raw < end) {
        char text[4] = {*raw};
        size_t more = 1;
        if (*raw == '\\') {
            uint32_t code = 0;
            if (escape(&raw, end, &code) != IDA_OK)
                return IDA_BAD;
            more = write_utf8(code, text);
        } else {
            raw++;
        }
        if (more > capacity - used)
            return IDA_FULL;
        memcpy(out + used, text, more);
        used += more;
    }
    *length = used;
    return IDA_OK;
}
