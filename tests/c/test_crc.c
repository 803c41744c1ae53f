/* needs: crc */
/* The vectors of RFC 3720 (iSCSI), appendix B.4, and the instruction against its twin. */
#include "crc.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void expect(const char *what, uint32_t found, uint32_t wanted)
{
    if (found == wanted)
        return;
    fprintf(stderr, "%s: %08x instead of %08x\n", what, found, wanted);
    failures++;
}

static void both(const char *what, const void *bytes, size_t length, uint32_t wanted)
{
    expect(what, ida_crc32c(0, bytes, length), wanted);
    expect(what, ida_crc32c_table(0, bytes, length), wanted);
}

static void test_vectors(void)
{
    unsigned char block[32];
    both("digits", "123456789", 9, 0xE3069283);
    both("nothing", "", 0, 0);
    memset(block, 0, sizeof block);
    both("zeros", block, sizeof block, 0x8A9136AA);
    memset(block, 0xff, sizeof block);
    both("ones", block, sizeof block, 0x62A8AB43);
    for (int i = 0; i < 32; i++)
        block[i] = (unsigned char)i;
    both("rising", block, sizeof block, 0x46DD794E);
    for (int i = 0; i < 32; i++)
        block[i] = (unsigned char)(31 - i);
    both("falling", block, sizeof block, 0x113FDB5C);
}

static void test_twins_and_parts(void)
{
    unsigned char bytes[300];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)((random = random * 1664525u + 1013904223u) >> 24);
    for (size_t from = 0; from < 9; from++)
        for (size_t length = 0; length + from <= sizeof bytes; length++) {
            uint32_t whole = ida_crc32c_table(0, bytes + from, length);
            size_t cut = length / 3;
            expect("twin", ida_crc32c(0, bytes + from, length), whole);
            expect("parts", ida_crc32c(ida_crc32c(0, bytes + from, cut), bytes + from + cut, length - cut), whole);
        }
}

int main(void)
{
    test_vectors();
    test_twins_and_parts();
    return failures != 0;
}
