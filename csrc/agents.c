/* Not written yet: no synthetic market can be made (ida_agents_new answers NULL). */
#include "agents.h"

ida_agents *ida_agents_new(const ida_agents_config *config, ida_match *match, uint32_t instrument) { return NULL; }
void ida_agents_free(ida_agents *a) {}
int64_t ida_agents_next(const ida_agents *a) { return INT64_MAX; }
ida_status ida_agents_step(ida_agents *a) { return IDA_STATE; }
ida_status ida_agents_publish(ida_agents *a, int64_t now) { return IDA_STATE; }
const ida_record *ida_agents_peek(const ida_agents *a) { return NULL; }
void ida_agents_take(ida_agents *a) {}
