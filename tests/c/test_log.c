/* needs: log queue thread gate */
#include "expect.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];

static ida_log *open_log(size_t lines)
{
    int error = -1;
    strcpy(path, "/tmp/ida-log-XXXXXX");
    close(mkstemp(path));
    ida_log *log = ida_log_open(path, lines, &error);
    EXPECT(log && !error);
    return log;
}

static size_t read_file(char *text, size_t capacity)
{
    FILE *f = fopen(path, "r");
    size_t length = fread(text, 1, capacity - 1, f);
    fclose(f);
    text[length] = 0;
    return length;
}

static void test_lines_come_in_order(void)
{
    enum { LINES = 3000 };
    char line[32];
    int next = 0, number, full = 0;
    ida_log *log = open_log(256);
    while (next < LINES) {
        int length = snprintf(line, sizeof line, "line %d", next);
        if (ida_log_write(log, line, (size_t)length) == IDA_OK)
            next++;
        else if (++full)
            EXPECT(ida_log_flush(log) == IDA_OK);
    }
    EXPECT(ida_log_dropped(log) == (uint64_t)full && ida_log_error(log) == 0);
    ida_log_close(log); /* writes what is left */
    FILE *f = fopen(path, "r");
    for (next = 0; fscanf(f, "line %d\n", &number) == 1; next++)
        EXPECT(number == next);
    EXPECT(next == LINES);
    fclose(f);
    unlink(path);
}

static void test_long_lines_stay_whole(void)
{
    static char text[8192], line[1500];
    ida_log *log = open_log(16);
    for (size_t length = 478; length < 483; length++) {
        memset(line, 'a' + (int)(length - 478), length);
        EXPECT(ida_log_write(log, line, length) == IDA_OK);
    }
    EXPECT(ida_log_write(log, "", 0) == IDA_OK);
    memset(line, 'z', sizeof line);
    EXPECT(ida_log_flush(log) == IDA_OK);
    EXPECT(ida_log_write(log, line, sizeof line) == IDA_OK);
    EXPECT(ida_log_flush(log) == IDA_OK);
    EXPECT(ida_log_write(log, text, 17 * 480) == IDA_FULL && ida_log_dropped(log) == 1);
    EXPECT(read_file(text, sizeof text) == 478 + 479 + 480 + 481 + 482 + 5 + 1 + 1501);
    EXPECT(text[478] == '\n' && text[479] == 'b' && text[479 + 479] == '\n');
    EXPECT(!strcmp(text + 2406 + 1500, "\n"));
    ida_log_close(log);
    unlink(path);
}

static void test_appends_to_a_private_file(void)
{
    char text[64];
    int error;
    struct stat found;
    ida_log *log = open_log(8);
    ida_log_write(log, "one", 3);
    ida_log_close(log);
    log = ida_log_open(path, 8, &error);
    ida_log_write(log, "two", 3);
    ida_log_close(log);
    EXPECT(read_file(text, sizeof text) == 8 && !strcmp(text, "one\ntwo\n"));
    EXPECT(!stat(path, &found) && (found.st_mode & 077) == 0);
    unlink(path);
}

static void test_failures(void)
{
    int error;
    EXPECT(!ida_log_open("/nowhere/at/all", 8, &error) && error == ENOENT);
    EXPECT(!ida_log_open("/dev/null", 7, &error) && error == EINVAL);
    ida_log *log = ida_log_open("/dev/full", 8, &error);
    EXPECT(ida_log_write(log, "lost", 4) == IDA_OK);
    EXPECT(ida_log_flush(log) == IDA_IO);
    EXPECT(ida_log_error(log) == ENOSPC && ida_log_dropped(log) == 1);
    ida_log_close(log);
}

int main(void)
{
    test_lines_come_in_order();
    test_long_lines_stay_whole();
    test_appends_to_a_private_file();
    test_failures();
    return DONE;
}
