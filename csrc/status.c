#include "status.h"

static const char *const texts[] = {
    "ok", "full", "empty", "malformed", "off the grid", "out of range", "unknown", "duplicate",
    "input/output error", "no space left", "corrupt", "wrong state",
};

const char *ida_status_text(int status)
{
    if (status < 0 || (size_t)status >= sizeof texts / sizeof *texts)
        return "no such status";
    return texts[status];
}
