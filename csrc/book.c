#include "book.h"
#include "room.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE_SHIFT = 9, PAGE_TICKS = 1 << PAGE_SHIFT, PAGE_WORDS = PAGE_TICKS / 64, TREE_LEVELS = 10 };

/* A set of whole numbers as bitmaps upon bitmaps: bit i of level k+1 is set if word i of level k is not 0. */
typedef struct tree {
    uint64_t *level[TREE_LEVELS];
    int levels;
} tree;

typedef struct side {
    uint32_t *directory; /* price / 512 -> page, or 0 */
    tree pages;          /* which entries of the directory are in use */
    size_t levels;
    int64_t edge;        /* no level is better than this; the best itself unless `moved` */
    int moved;           /* the level at the edge went away: search from there */
} side;

typedef struct page { int64_t quantity[PAGE_TICKS]; } page; /* all 0 when not in use */
typedef struct page_bits { uint64_t word[PAGE_WORDS]; } page_bits;

struct ida_book {
    ida_top top;
    ida_known known;
    side sides[2];
    uint64_t max_price;
    page *page; /* the one at 0 is not used: it stands for none */
    page_bits *bits;
    uint32_t *used;  /* of each page: how many of its slots are occupied */
    uint32_t *spare; /* pages given back */
    size_t spares;
    size_t fresh; /* pages after this one were never used */
    size_t capacity;
};

static const ida_top empty_top = {-1, 0, INT64_MAX, 0};
static const ida_known whole = {INT64_MIN, INT64_MAX};

/* Rarely called: not to be inlined where it would only be in the way. */
#define APART __attribute__((noinline))

static inline int lowest(uint64_t word) { return __builtin_ctzll(word); }
static inline int highest(uint64_t word) { return 63 - __builtin_clzll(word); }
static inline uint64_t up_to(unsigned bit) { return ~0ull >> (63 - (bit & 63)); }
static inline uint64_t from(unsigned bit) { return ~0ull << (bit & 63); }

/* ---- the set of pages -------------------------------------------------------------------------------------- */

static int tree_new(tree *t, size_t entries)
{
    do {
        entries = (entries + 63) / 64;
        t->level[t->levels] = calloc(entries, sizeof(uint64_t));
        if (!t->level[t->levels++])
            return 0;
    } while (entries > 1);
    return 1;
}

static void tree_free(tree *t)
{
    for (int k = 0; k < t->levels; k++)
        free(t->level[k]);
}

static void tree_add(tree *t, size_t i)
{
    for (int k = 0; k < t->levels; k++, i >>= 6) {
        uint64_t *word = &t->level[k][i >> 6], before = *word;
        *word = before | 1ull << (i & 63);
        if (before)
            return;
    }
}

static void tree_remove(tree *t, size_t i)
{
    for (int k = 0; k < t->levels; k++, i >>= 6)
        if (t->level[k][i >> 6] &= ~(1ull << (i & 63)))
            return;
}

/* The greatest member below i, or -1. */
static int64_t tree_below(const tree *t, size_t i)
{
    for (int k = 0; k < t->levels; k++, i >>= 6) {
        uint64_t word = i & 63 ? t->level[k][i >> 6] & up_to((unsigned)i - 1) : 0;
        if (!word)
            continue;
        i = (i >> 6) << 6 | (size_t)highest(word);
        while (k--)
            i = i << 6 | (size_t)highest(t->level[k][i]);
        return (int64_t)i;
    }
    return -1;
}

/* The least member above i, or -1. */
static int64_t tree_above(const tree *t, size_t i)
{
    for (int k = 0; k < t->levels; k++, i >>= 6) {
        uint64_t word = ~i & 63 ? t->level[k][i >> 6] & from((unsigned)i + 1) : 0;
        if (!word)
            continue;
        i = (i >> 6) << 6 | (size_t)lowest(word);
        while (k--)
            i = i << 6 | (size_t)lowest(t->level[k][i]);
        return (int64_t)i;
    }
    return -1;
}

/* ---- pages ------------------------------------------------------------------------------------------------- */

/* A page for an entry of the directory, or 0 when the pool is used up. */
static APART uint32_t take_page(ida_book *book, side *s, size_t entry)
{
    uint32_t taken;
    if (book->spares)
        taken = book->spare[--book->spares];
    else if (book->fresh < book->capacity)
        taken = (uint32_t)++book->fresh;
    else
        return 0;
    tree_add(&s->pages, entry);
    return s->directory[entry] = taken;
}

static APART void give_back(ida_book *book, side *s, size_t entry)
{
    book->spare[book->spares++] = s->directory[entry];
    s->directory[entry] = 0;
    tree_remove(&s->pages, entry);
}

/* The greatest occupied slot of a page at or below `slot`, or -1. */
static int slot_below(const ida_book *book, uint32_t p, unsigned slot)
{
    int w = (int)(slot >> 6);
    uint64_t word = book->bits[p].word[w] & up_to(slot);
    while (!word && w--)
        word = book->bits[p].word[w];
    return word ? w << 6 | highest(word) : -1;
}

static int slot_above(const ida_book *book, uint32_t p, unsigned slot)
{
    int w = (int)(slot >> 6);
    uint64_t word = book->bits[p].word[w] & from(slot);
    while (!word && ++w < PAGE_WORDS)
        word = book->bits[p].word[w];
    return word ? w << 6 | lowest(word) : -1;
}

/* ---- searching: price within 0 .. max_price ---------------------------------------------------------------- */

/* The highest occupied price at or below `price`, or -1. */
static int64_t at_or_below(const ida_book *book, const side *s, int64_t price)
{
    size_t entry = (size_t)price >> PAGE_SHIFT;
    uint32_t taken = s->directory[entry];
    int slot = taken ? slot_below(book, taken, (unsigned)price & (PAGE_TICKS - 1)) : -1;
    if (slot < 0) {
        int64_t other = tree_below(&s->pages, entry);
        if (other < 0)
            return -1;
        entry = (size_t)other;
        slot = slot_below(book, s->directory[entry], PAGE_TICKS - 1);
    }
    return (int64_t)(entry << PAGE_SHIFT) | slot;
}

/* The lowest occupied price at or above `price`, or -1. */
static int64_t at_or_above(const ida_book *book, const side *s, int64_t price)
{
    size_t entry = (size_t)price >> PAGE_SHIFT;
    uint32_t taken = s->directory[entry];
    int slot = taken ? slot_above(book, taken, (unsigned)price & (PAGE_TICKS - 1)) : -1;
    if (slot < 0) {
        int64_t other = tree_above(&s->pages, entry);
        if (other < 0)
            return -1;
        entry = (size_t)other;
        slot = slot_above(book, s->directory[entry], 0);
    }
    return (int64_t)(entry << PAGE_SHIFT) | slot;
}

static int64_t best(const ida_book *book, int which)
{
    int64_t price = which == IDA_BUY ? book->top.bid : book->top.ask;
    return price == INT64_MAX ? -1 : price;
}

int64_t ida_book_next(const ida_book *book, int which, int64_t price)
{
    const side *s = &book->sides[which != IDA_BUY];
    int64_t last = (int64_t)book->max_price;
    if (price == IDA_FROM_BEST)
        return best(book, which);
    if (which == IDA_BUY)
        return price <= 0 ? -1 : at_or_below(book, s, price > last ? last : price - 1);
    return price >= last ? -1 : at_or_above(book, s, price < 0 ? 0 : price + 1);
}

/* ---- changing ---------------------------------------------------------------------------------------------- */

/* Brings the top up to date after a side has changed: searches only when the best went away. */
static void settle_bid(ida_book *book)
{
    side *s = &book->sides[IDA_BUY];
    if (s->moved) {
        s->edge = at_or_below(book, s, s->edge);
        s->moved = 0;
    }
    book->top.bid = s->edge;
    book->top.bid_quantity = s->edge < 0 ? 0 : ida_book_quantity(book, IDA_BUY, s->edge);
}

static void settle_ask(ida_book *book)
{
    side *s = &book->sides[IDA_SELL];
    if (s->moved) {
        int64_t found = at_or_above(book, s, s->edge);
        s->edge = found < 0 ? INT64_MAX : found;
        s->moved = 0;
    }
    book->top.ask = s->edge;
    book->top.ask_quantity = s->edge == INT64_MAX ? 0 : ida_book_quantity(book, IDA_SELL, s->edge);
}

/* Sets levels; the top is left for settle_bid and settle_ask. Whether a level comes, goes or only changes is as good as
 * random: a branch on it would be guessed wrong every third time, so there is none. What is read again and again is
 * kept in locals: the compiler can't know that the stores leave it alone. */
static inline ida_status put(ida_book *book, int which, const ida_level *levels, uint32_t count)
{
    side *s = &book->sides[which];
    uint32_t *const directory = s->directory, *const used = book->used;
    page *const pages = book->page;
    page_bits *const bits = book->bits;
    const uint64_t max_price = book->max_price;
    const ida_level *level = levels, *end = levels + count;
    ida_status status = IDA_OK;
    uint64_t more = 0;
    int64_t edge = s->edge;
    for (; level < end; level++) {
        int64_t price = level->price, quantity = level->quantity;
        if (((uint64_t)price > max_price) | (quantity < 0)) {
            status = IDA_RANGE;
            break;
        }
        size_t entry = (size_t)price >> PAGE_SHIFT;
        unsigned slot = (unsigned)price & (PAGE_TICKS - 1);
        uint32_t p = directory[entry];
        if (!p && !quantity)
            continue;
        if (!p && !(p = take_page(book, s, entry))) {
            status = IDA_FULL;
            break;
        }
        int64_t *there = &pages[p].quantity[slot];
        uint64_t is = quantity != 0, was = *there != 0;
        *there = quantity;
        bits[p].word[slot >> 6] ^= (is ^ was) << (slot & 63);
        more += is - was;
        if (!(used[p] += (uint32_t)(is - was)))
            give_back(book, s, entry);
        if (which == IDA_BUY ? price >= edge : price <= edge) { /* the best there is, or it was until now */
            s->moved = !quantity && (s->moved || price == edge);
            edge = quantity ? price : edge;
        }
    }
    s->edge = edge;
    s->levels += more;
    return status;
}

ida_status ida_book_set(ida_book *book, int which, int64_t price, int64_t quantity, int64_t *previous)
{
    ida_level level = {price, quantity};
    ida_status status;
    if (previous)
        *previous = ida_book_quantity(book, which, price);
    if (which == IDA_BUY) {
        status = put(book, IDA_BUY, &level, 1);
        settle_bid(book);
    } else {
        status = put(book, IDA_SELL, &level, 1);
        settle_ask(book);
    }
    return status;
}

/* The price of a side's last level: its levels come in no promised order. */
static int64_t last_of(const ida_level *levels, uint32_t count, int which)
{
    int64_t last = levels[0].price;
    for (uint32_t i = 1; i < count; i++)
        if (which == IDA_BUY ? levels[i].price < last : levels[i].price > last)
            last = levels[i].price;
    return last;
}

static ida_known known_of(const ida_depth *depth)
{
    ida_known known = whole;
    if (depth->head.flags & IDA_FLAG_WHOLE)
        return known;
    int cut = depth->head.flags & IDA_FLAG_CUT;
    if (depth->bids && (cut || depth->bids >= depth->asks))
        known.bid = last_of(depth->levels, depth->bids, IDA_BUY);
    if (depth->asks && (cut || depth->asks >= depth->bids))
        known.ask = last_of(depth->levels + depth->bids, depth->asks, IDA_SELL);
    return known;
}

static APART void begin_anew(ida_book *book, const ida_depth *snapshot)
{
    ida_book_clear(book);
    book->known = known_of(snapshot);
}

ida_status ida_book_apply(ida_book *book, const ida_depth *depth)
{
    if (depth->head.kind == IDA_SNAPSHOT)
        begin_anew(book, depth);
    ida_status status = put(book, IDA_BUY, depth->levels, depth->bids);
    if (status == IDA_OK)
        status = put(book, IDA_SELL, depth->levels + depth->bids, depth->asks);
    settle_bid(book);
    settle_ask(book);
    return status;
}

/* Visits what is occupied, not what could be: a page is all 0 when it goes back. */
static void clear_page(ida_book *book, side *s, size_t entry)
{
    uint32_t p = s->directory[entry];
    for (int w = 0; w < PAGE_WORDS; w++)
        for (uint64_t word = book->bits[p].word[w]; word; word &= word - 1)
            book->page[p].quantity[w * 64 + lowest(word)] = 0;
    book->bits[p] = (page_bits){{0}};
    book->used[p] = 0;
    give_back(book, s, entry);
}

static void clear_side(ida_book *book, side *s, int64_t edge)
{
    if (s->directory[0])
        clear_page(book, s, 0);
    for (int64_t entry; (entry = tree_above(&s->pages, 0)) >= 0;)
        clear_page(book, s, (size_t)entry);
    s->levels = 0;
    s->edge = edge;
    s->moved = 0;
}

void ida_book_clear(ida_book *book)
{
    clear_side(book, &book->sides[IDA_BUY], empty_top.bid);
    clear_side(book, &book->sides[IDA_SELL], empty_top.ask);
    book->top = empty_top;
    book->known = whole;
}

/* ---- reading ----------------------------------------------------------------------------------------------- */

const ida_top *ida_book_top(const ida_book *book)
{
    return &book->top;
}

int64_t ida_book_quantity(const ida_book *book, int which, int64_t price)
{
    if ((uint64_t)price > book->max_price)
        return 0;
    uint32_t taken = book->sides[which != IDA_BUY].directory[(size_t)price >> PAGE_SHIFT];
    return taken ? book->page[taken].quantity[(unsigned)price & (PAGE_TICKS - 1)] : 0;
}

size_t ida_book_levels(const ida_book *book, int which)
{
    return book->sides[which != IDA_BUY].levels;
}

size_t ida_book_top_n(const ida_book *book, int which, ida_level *levels, size_t most)
{
    size_t n = 0;
    int64_t price = best(book, which);
    for (; n < most && price >= 0; price = ida_book_next(book, which, price)) {
        levels[n].price = price;
        levels[n++].quantity = ida_book_quantity(book, which, price);
    }
    return n;
}

int64_t ida_book_walk(const ida_book *book, int which, int64_t quantity, int64_t *worst_price,
                      int64_t *notional_high, uint64_t *notional_low)
{
    unsigned __int128 notional = 0;
    int64_t left = quantity > 0 ? quantity : 0, found = 0;
    *worst_price = -1;
    for (int64_t price = best(book, which); left && price >= 0; price = ida_book_next(book, which, price)) {
        int64_t there = ida_book_quantity(book, which, price), taken = there < left ? there : left;
        notional += (unsigned __int128)price * (uint64_t)taken;
        *worst_price = price;
        found += taken;
        left -= taken;
    }
    *notional_high = (int64_t)(notional >> 64);
    *notional_low = (uint64_t)notional;
    return found;
}

int64_t ida_book_quantity_to(const ida_book *book, int which, int64_t price)
{
    int64_t sum = 0;
    for (int64_t at = best(book, which); at >= 0; at = ida_book_next(book, which, at)) {
        if (which == IDA_BUY ? at < price : at > price)
            break;
        if (__builtin_add_overflow(sum, ida_book_quantity(book, which, at), &sum))
            return INT64_MAX;
    }
    return sum;
}

/* ---- what is known ------------------------------------------------------------------------------------------ */

const ida_known *ida_book_known(const ida_book *book)
{
    return &book->known;
}

void ida_book_set_known(ida_book *book, ida_known known)
{
    book->known = known;
}

int ida_book_reaches(const ida_book *book, int which, int64_t price)
{
    return which == IDA_BUY ? price >= book->known.bid : price <= book->known.ask;
}

int64_t ida_book_quantity_of(const ida_book *book, int which, size_t levels)
{
    int64_t sum = 0, price = best(book, which), last = price;
    if (!levels)
        return 0;
    for (; levels && price >= 0; levels--, price = ida_book_next(book, which, price)) {
        last = price;
        if (__builtin_add_overflow(sum, ida_book_quantity(book, which, price), &sum))
            sum = INT64_MAX;
    }
    if (levels) /* the side ended first: is that its end? */
        last = which == IDA_BUY ? INT64_MIN : INT64_MAX;
    return ida_book_reaches(book, which, last) ? sum : -1;
}

int64_t ida_book_quantity_within(const ida_book *book, int which, double bps)
{
    int64_t bid = book->top.bid, ask = book->top.ask;
    if (bid < 0 || ask == INT64_MAX || !(bps >= 0))
        return -1;
    double mid = ((double)bid + (double)ask) / 2, away = mid * bps / 10000;
    double edge = which == IDA_BUY ? mid - away : mid + away;
    int64_t price = 0;
    if (which == IDA_BUY && edge > 0)
        price = (int64_t)edge + ((double)(int64_t)edge < edge);
    if (which == IDA_SELL)
        price = edge < (double)book->max_price ? (int64_t)edge : INT64_MAX;
    return ida_book_reaches(book, which, price) ? ida_book_quantity_to(book, which, price) : -1;
}

/* ---- making ------------------------------------------------------------------------------------------------ */

/* Asks for 2 MiB pages: touching a fresh ladder otherwise costs more in page faults than in work. Only advice. */
static void advise_huge(void *memory, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    uintptr_t from = ((uintptr_t)memory + 4095) & ~(uintptr_t)4095, to = ((uintptr_t)memory + bytes) & ~(uintptr_t)4095;
    if (to > from)
        (void)madvise((void *)from, to - from, MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

static size_t directory_entries(int64_t max_price)
{
    return (size_t)(max_price >> PAGE_SHIFT) + 1;
}

ida_book *ida_book_new(size_t pages, int64_t max_price)
{
    if (!pages || pages >= UINT32_MAX || max_price <= 0)
        return NULL;
    ida_book *book = calloc(1, sizeof *book);
    if (!book)
        return NULL;
    size_t entries = directory_entries(max_price);
    book->max_price = (uint64_t)max_price;
    book->capacity = pages;
    book->page = ida_room_new(pages + 1, sizeof *book->page);
    book->bits = ida_room_new(pages + 1, sizeof *book->bits);
    book->used = ida_room_new(pages + 1, sizeof *book->used);
    book->spare = ida_room_new(pages, sizeof *book->spare);
    if (book->page)
        advise_huge(book->page, pages * sizeof *book->page);
    int whole = book->page && book->bits && book->used && book->spare;
    for (int which = 0; which < 2 && whole; which++) {
        side *s = &book->sides[which];
        s->directory = ida_room_new(entries, sizeof *s->directory);
        whole = s->directory && tree_new(&s->pages, entries);
    }
    if (!whole) {
        ida_book_free(book);
        return NULL;
    }
    ida_book_clear(book);
    return book;
}

void ida_book_free(ida_book *book)
{
    if (!book)
        return;
    for (int which = 0; which < 2; which++) {
        side *s = &book->sides[which];
        ida_room_free(s->directory, directory_entries((int64_t)book->max_price), sizeof *s->directory);
        tree_free(&s->pages);
    }
    ida_room_free(book->page, book->capacity + 1, sizeof *book->page);
    ida_room_free(book->bits, book->capacity + 1, sizeof *book->bits);
    ida_room_free(book->used, book->capacity + 1, sizeof *book->used);
    ida_room_free(book->spare, book->capacity, sizeof *book->spare);
    free(book);
}
