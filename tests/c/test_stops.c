/* needs: stops */
#include "expect.h"
#include "stops.h"

#include <string.h>

enum { MOST = 40, STEPS = 100000 };

static ida_order orders[MOST];
static int is_here[MOST], rises[MOST];
static uint64_t state = 88172645463325252ull;

static int64_t dice(int64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int64_t)(state >> 11) % below;
}

static int is_met(int i, int64_t price)
{
    return is_here[i] && (rises[i] ? price >= orders[i].stop_price : price <= orders[i].stop_price);
}

static int comes_first(int a, int b)
{
    if (rises[a] != rises[b])
        return rises[a];
    if (orders[a].stop_price != orders[b].stop_price)
        return (orders[a].stop_price < orders[b].stop_price) == rises[a];
    return orders[a].age < orders[b].age;
}

/* By looking at all of them. */
static ida_order *naive_pop(int64_t price)
{
    int found = -1;
    for (int i = 0; i < MOST; i++)
        if (is_met(i, price) && (found < 0 || comes_first(i, found)))
            found = i;
    return found < 0 ? NULL : &orders[found];
}

static void check_reached(const ida_stops *s, int64_t price)
{
    int64_t lots[2], naive[2] = {0, 0};
    for (int i = 0; i < MOST; i++)
        if (is_met(i, price))
            naive[orders[i].side] += orders[i].leaves;
    ida_stops_reached(s, price, lots);
    EXPECT(!memcmp(lots, naive, sizeof lots));
}

static void change_one(ida_stops *s, uint64_t age)
{
    int i = (int)dice(MOST);
    if (is_here[i])
        ida_stops_remove(s, &orders[i]);
    else {
        rises[i] = (int)dice(2);
        orders[i] = (ida_order){.age = age, .side = (uint8_t)dice(2), .stop_price = 50 + dice(30), .leaves = dice(9)};
        ida_stops_add(s, &orders[i], rises[i]);
    }
    is_here[i] = !is_here[i];
}

/* The extreme is the best price since it began; a basis point that falls between two ticks counts as a whole one. */
static void test_trailing(void)
{
    ida_stops *s = ida_stops_new(3);
    ida_order sell = {.side = IDA_SELL, .stop_price = 42000, .trailing = 750, .leaves = 3};
    ida_order buy = {.side = IDA_BUY, .trailing = 1, .leaves = 2};
    int64_t lots[2];
    ida_stops_add(s, &sell, 1);
    ida_stops_add(s, &buy, 1);
    EXPECT(!ida_stops_pop(s, 39000) && !sell.follows && buy.follows && buy.extreme == 39000);
    EXPECT(!ida_stops_pop(s, 39003) && ida_stops_pop(s, 39004) == &buy);
    EXPECT(!ida_stops_pop(s, 42000) && sell.follows && sell.extreme == 42000);
    EXPECT(!ida_stops_pop(s, 46500) && !ida_stops_pop(s, 43013) && ida_stops_count(s) == 1);
    ida_stops_reached(s, 43012, lots);
    EXPECT(lots[IDA_SELL] == 3 && lots[IDA_BUY] == 0);
    EXPECT(ida_stops_pop(s, 43012) == &sell && ida_stops_count(s) == 0);
    ida_stops_add(s, &buy, 1);
    ida_stops_remove(s, &buy);
    EXPECT(ida_stops_count(s) == 0 && !ida_stops_pop(s, 1));
    ida_stops_free(s);
}

int main(void)
{
    test_trailing();
    size_t count;
    EXPECT(!ida_stops_new(0));
    ida_stops *s = ida_stops_new(MOST);
    for (int step = 0; step < STEPS; step++) {
        if (dice(5)) {
            change_one(s, (uint64_t)step);
        } else {
            int64_t price = 45 + dice(40);
            check_reached(s, price);
            ida_order *popped = ida_stops_pop(s, price);
            EXPECT(popped == naive_pop(price));
            if (popped)
                is_here[popped - orders] = 0;
        }
        count = 0;
        for (int i = 0; i < MOST; i++)
            count += is_here[i] != 0;
        EXPECT(ida_stops_count(s) == count);
    }
    ida_stops_free(s);
    ida_stops_free(NULL);
    return DONE;
}
