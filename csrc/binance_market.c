#include "binance_message.h"

static int has(const ida_fields *f, char letter)
{
    return ida_fields_has(f, IDA_SLOT(letter));
}

static int is_futures(const ida_message *m, int kind)
{
    const ida_fields *f = m->payload;
    switch (kind) {
    case IDA_DEPTH:
    case IDA_PARTIAL:
        return ida_fields_has(f, IDA_KEY_PU);
    case IDA_SNAPSHOT:
        return has(f, 'E');
    case IDA_TRADE:
        return has(f, 'M') ? 0 : has(f, 'X') ? 1 : -1;
    case IDA_QUOTE:
        return has(f, 'e');
    case IDA_MARK:
        return 1;
    default:
        return -1;
    }
}

/* BTCUSD_PERP, BTCUSD_240927: the names of inverse contracts. */
static int is_inverse(const ida_symbol *s)
{
    const char *name = s->pub.name;
    const char *mark = memchr(name, '_', s->length);
    return mark && mark - name > 3 && !memcmp(mark - 3, "USD", 3);
}

void ida_message_market(ida_message *m, int kind)
{
    ida_symbol *s = m->symbol;
    if (!m->decoder->learning)
        return;
    int futures = is_inverse(s) ? 1 : is_futures(m, kind);
    if (futures < 0)
        return;
    int32_t market = !futures ? IDA_SPOT : is_inverse(s) ? IDA_COINM : IDA_USDM;
    if (s->pub.market == IDA_MARKET_UNKNOWN)
        s->pub.market = market;
    else if (s->pub.market != market)
        ida_message_fail(m, IDA_BAD, m->text, "the same symbol of two markets in one recording");
}
