#include "ahead.h"

#include "maths.h"

/* How likely it is that a lot that left the level stood behind us. */
static double behind(int model, double power, double front, double back)
{
    double most = front > back ? front : back;
    if (most <= 0)
        return 1;
    /* A power's ratio is the same at any scale; at this one nothing overflows. */
    double b = model == IDA_QUEUE_POWER ? ida_power(back / most, power) : ida_ln(1 + back);
    double f = model == IDA_QUEUE_POWER ? ida_power(front / most, power) : ida_ln(1 + front);
    return b / (b + f);
}

/* In steps of 2^-20 lots, so that a last bit never decides between two whole lots. */
static double in_steps(double lots)
{
    const double steps = 1 << 20;
    return lots < steps * steps ? (double)(int64_t)(lots * steps + 0.5) / steps : lots;
}

/* Beyond 2^53 a double has no whole lots. */
static double as_double(int64_t lots)
{
    return (double)(lots < 1ll << 53 ? lots : 1ll << 53);
}

void ida_ahead_start(ida_ahead *ahead, int64_t recorded)
{
    *ahead = (ida_ahead){as_double(recorded), 0};
}

int64_t ida_ahead_lots(const ida_ahead *ahead)
{
    int64_t whole = (int64_t)ahead->front;
    return whole + ((double)whole < ahead->front);
}

int64_t ida_ahead_trade(ida_ahead *ahead, int64_t quantity, int64_t reach)
{
    int64_t lots = ida_ahead_lots(ahead);
    double front = ahead->front - as_double(reach);
    if (__builtin_add_overflow(ahead->traded, quantity, &ahead->traded))
        ahead->traded = INT64_MAX;
    ahead->front = front > 0 ? front : 0;
    return reach > lots ? reach - lots : 0;
}

void ida_ahead_depth(ida_ahead *ahead, int model, double power, int64_t previous, int64_t present)
{
    double front = ahead->front, most = as_double(present);
    int64_t gone = previous - present, traded = ahead->traded;
    ahead->traded = 0;
    if (model != IDA_QUEUE_RISK_AVERSE && gone > traded) { /* what no trade explains was cancelled */
        double back = as_double(previous) - front;
        front -= (1 - behind(model, power, front, back > 0 ? back : 0)) * as_double(gone - traded);
        front = front > 0 ? in_steps(front) : 0;
    }
    /* This bound also moves to the front what the back was too short to lose. */
    ahead->front = front < most ? front : most;
}
