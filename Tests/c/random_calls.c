/* random_calls.c: calls every operation of the C ABI with arguments that are nearly right, and watches what must never happen.
 *
 *     random_calls CALLS COUNT [SEED [FIRST]]     CALLS: a file that Tests/arm64/record.c wrote; FIRST repeats from one call on
 *
 * Each call is one of the recorded ones. A third of them only gets other memory layouts, threads, and NULL for results that may be left out:
 * what comes out must have the recorded bits. In the others shapes, strides, types, numbers, options and indices become others, and the
 * operation either computes or refuses with a message. Every array ends or begins at a page that faults when it is touched, inputs are
 * compared afterwards, and results stand between bytes that must stay. A call that crashes or takes longer than a minute is named with its number.
 *
 * With SNN_FUZZ it is libFuzzer's target instead: Tests/c/fuzz builds that, with a library that reports which branches a call took.
 */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "operations.h"
#ifdef SNN_FUZZ
#include "kernels.h"
#endif

enum {
    MOST_SLOTS = 64,    /* 8-byte members of an argument struct */
    MOST_ARRAYS = 192,  /* of one call */
    SLOT = 1 << 16,     /* bytes for one array, a page that faults on either side */
    PAGE = 4096,
    BESIDE = 512, /* bytes before a result that are looked at afterwards */
    MOST_BYTES = 1 << 13, /* of a recorded array: small calls are many a second, and their code is the same */
    MOST_ELEMENTS = 1 << 12, /* that a changed shape may have before only the shapes of its results are asked for */
};

/* ---- decisions ---- */

static uint64_t state;

static uint64_t next(void)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static int64_t any_below(int64_t n) { return (int64_t)(next() % (uint64_t)n); }

/* Decisions about the call, which a fuzzer takes over as long as it has bytes; the numbers in arrays are always drawn. */
static const uint8_t *fuzz;
static size_t fuzz_left;
static int64_t below(int64_t n)
{
    if (fuzz_left < 2) return any_below(n);
    int64_t value = fuzz[0] | fuzz[1] << 8;
    fuzz += 2, fuzz_left -= 2;
    return value % n;
}
static int one_in(int64_t n) { return below(n) == 0; }

/* ---- what is being done, for the handler of a crash ---- */

static int64_t number;
static uint64_t seed = 1;
static const snn_test_operation *operation;
static char story[4096];
static const char *stage = "";
#define TELL(...) (snprintf(story + strlen(story), sizeof story - strlen(story), __VA_ARGS__))

static void report(const char *what)
{
    char line[8192];
    int n = snprintf(line, sizeof line, "random_calls: call %lld of seed %llu, %s, %s: %s:%s\n", (long long)number, (unsigned long long)seed,
                     operation ? operation->name : "", stage, what, story);
    if (write(2, line, (size_t)(n < (int)sizeof line ? n : (int)sizeof line - 1)) < 0) _exit(4);
}

static void on_signal(int signal)
{
    report(signal == SIGALRM ? "takes longer than a minute" : strsignal(signal));
    _exit(3);
}

static void fail(const char *what)
{
    report(what);
#ifdef SNN_FUZZ
    abort();
#endif
    exit(1);
}

/* ---- the recorded calls ---- */

typedef struct {
    snn_array head;
    char *elements; /* in C order; NULL: absent */
} recorded_array;

typedef struct {
    const snn_test_operation *operation;
    int64_t scalars[MOST_SLOTS]; /* by field: INT, REAL, whether an OPTOUT was wanted, or a count */
    int64_t *ints[MOST_SLOTS];
    recorded_array *arrays[MOST_SLOTS];
} recorded_call;

static FILE *file;
static recorded_call *calls;
static int64_t call_count;

static void *need(void *p)
{
    if (!p) exit(fprintf(stderr, "random_calls: no memory\n"));
    return p;
}

static int get(void *p, size_t n) { return n == 0 || fread(p, n, 1, file) == 1; }

static int64_t get_number(void)
{
    int64_t n;
    if (!get(&n, sizeof n)) exit(fprintf(stderr, "random_calls: the file ends inside a call\n"));
    return n;
}

static size_t get_array(recorded_array *a)
{
    memset(a, 0, sizeof *a);
    if (!get_number()) return 0;
    a->head.dtype = (int32_t)get_number();
    a->head.ndim = (int32_t)get_number();
    for (int i = 0; i < a->head.ndim; i++) a->head.shape[i] = get_number();
    a->elements = need(malloc(snn_nbytes(&a->head) + 1));
    if (!get(a->elements, snn_nbytes(&a->head))) exit(fprintf(stderr, "random_calls: the file ends inside an array\n"));
    return snn_nbytes(&a->head);
}

static int is_out(snn_test_kind kind) { return kind == SNN_TEST_OUT || kind == SNN_TEST_OPTOUT; }
static int is_list(snn_test_kind kind) { return kind == SNN_TEST_ARRAYS || kind == SNN_TEST_WRITES; }

static size_t get_list(recorded_call *c, int64_t field, int64_t count)
{
    size_t largest = 0;
    c->arrays[field] = need(calloc((size_t)count + 1, sizeof(recorded_array)));
    for (int64_t k = 0; k < count; k++) {
        size_t bytes = get_array(&c->arrays[field][k]);
        if (bytes > largest) largest = bytes;
    }
    return largest;
}

/* Whether there was another call; those with large arrays are passed over. What WRITES become is not kept. */
static int get_call(void)
{
    int64_t n;
    if (!get(&n, sizeof n)) return 0;
    if (call_count % 1024 == 0) calls = need(realloc(calls, sizeof *calls * (size_t)(call_count + 1024)));
    recorded_call *c = memset(&calls[call_count], 0, sizeof *c);
    c->operation = snn_test_operation_at(n);
    size_t largest = 0, bytes = 0;
    int64_t arrays = 0;
    const snn_test_field *fields = c->operation->fields;
    for (int64_t i = 0; i < c->operation->field_count; i++) {
        snn_test_kind kind = fields[i].kind;
        if (kind == SNN_TEST_INT || kind == SNN_TEST_REAL || is_out(kind)) {
            c->scalars[i] = get_number();
        } else if (kind == SNN_TEST_INTS) {
            c->scalars[i] = get_number();
            c->ints[i] = need(malloc(8 * (size_t)c->scalars[i] + 8));
            if (!get(c->ints[i], 8 * (size_t)c->scalars[i])) exit(fprintf(stderr, "random_calls: the file ends inside a call\n"));
        } else {
            int64_t count = is_list(kind) ? get_number() : 1;
            arrays += count;
            c->scalars[i] = count;
            bytes = get_list(c, i, count);
        }
        if (bytes > largest) largest = bytes;
    }
    for (int64_t i = 0; i < c->operation->field_count; i++) {
        if (is_out(fields[i].kind) && c->scalars[i]) {
            bytes = get_list(c, i, 1);
            if (bytes > largest) largest = bytes;
        } else if (fields[i].kind == SNN_TEST_WRITES) {
            recorded_array after;
            for (int64_t k = 0; k < c->scalars[i]; k++) get_array(&after), free(after.elements);
        }
    }
    if (largest <= MOST_BYTES && arrays < MOST_ARRAYS / 2) call_count++;
    return 1;
}

/* ---- arrays between pages that fault ---- */

static char *memory;
static int64_t used_slots;
typedef struct {
    snn_array *array;
    char *start;  /* of the memory that its elements span */
    size_t bytes;
    uint64_t sum; /* of that before the call */
    int written;  /* the operation may write it */
} placed;
static placed placements[MOST_ARRAYS];
static snn_array heads[MOST_ARRAYS];

static uint64_t sum_of(const placed *p)
{
    uint64_t sum = 0, word = 0;
    for (size_t i = 0; i < p->bytes; i += 8) memcpy(&word, p->start + i, p->bytes - i < 8 ? p->bytes - i : 8), sum = (sum ^ word) * 0x100000001b3 + (sum >> 29);
    return sum;
}

static void make_memory(void)
{
    size_t bytes = (size_t)MOST_ARRAYS * (SLOT + PAGE) + PAGE;
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) exit(fprintf(stderr, "random_calls: no memory\n"));
    for (int i = 0; i <= MOST_ARRAYS; i++)
        if (mprotect(memory + (size_t)i * (SLOT + PAGE), PAGE, PROT_NONE)) exit(fprintf(stderr, "random_calls: no pages to protect\n"));
}

static char *room(void)
{
    if (used_slots == MOST_ARRAYS) fail("more arrays than there is room for");
    return memory + PAGE + (size_t)used_slots * (SLOT + PAGE);
}

/* Puts an array of this shape and these strides where its last byte is the last of the room, or its first the first. 0: it does not fit. */
static int place(snn_array *a, int at_end)
{
    int64_t low = 0, high = (int64_t)snn_itemsize(a->dtype), item = high;
    for (int i = 0; i < a->ndim && i < SNN_MAX_DIMS; i++) {
        if (a->shape[i] <= 0) { high = low = 0; break; }
        int64_t reach;
        if (__builtin_mul_overflow(a->shape[i] - 1, a->strides[i], &reach) || reach > SLOT || reach < -SLOT) return 0;
        if (reach < 0) low += reach;
        else high += reach;
    }
    if (high - low > SLOT) return 0;
    char *start = room();
    a->data = at_end ? start + (SLOT - high) / item * item : start - low;
    placements[used_slots++] = (placed){a, (char *)a->data + low, (size_t)(high - low), 0, 0};
    return 1;
}

static void each_element(const snn_array *a, int axis, char *at, void (*visit)(char *, int32_t))
{
    if (axis == a->ndim) visit(at, a->dtype);
    else
        for (int64_t i = 0; i < a->shape[axis]; i++) each_element(a, axis + 1, at + i * a->strides[axis], visit);
}

static const char *source;
static void copy_in(char *p, int32_t dtype) { memcpy(p, source, snn_itemsize(dtype)), source += snn_itemsize(dtype); }

static int special; /* how much of the numbers are not ordinary ones: one in so many, 0 none */
static int64_t index_limit;
static void draw(char *p, int32_t dtype)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, -0.0, 1e-310, 1e-40, 3e38, -1e30, 1e300};
    double x = (double)(any_below(4001) - 2000) / 1000;
    if (special && any_below(special) == 0) x = odd[any_below(9)];
    if (dtype == SNN_FLOAT32) { float f = (float)x; memcpy(p, &f, 4); return; }
    if (dtype == SNN_FLOAT64) { memcpy(p, &x, 8); return; }
    int64_t n = any_below(index_limit);
    if (special && any_below(special) == 0) n = any_below(2) ? -1 - any_below(3) : any_below(2) ? INT64_MIN + any_below(2) : index_limit + any_below(5);
    if (dtype == SNN_BOOL) n &= 1;
    memcpy(p, &n, snn_itemsize(dtype));
}

/* Strides of some layout for this shape: C order, others, reversed, with gaps. */
static void lay_out(snn_array *a)
{
    int order[SNN_MAX_DIMS];
    int dims = a->ndim < SNN_MAX_DIMS ? a->ndim : SNN_MAX_DIMS;
    for (int i = 0; i < dims; i++) order[i] = i;
    int kind = (int)below(5);
    if (kind == 1 || kind == 4)
        for (int i = dims - 1; i > 0; i--) { int k = (int)below(i + 1), t = order[i]; order[i] = order[k]; order[k] = t; }
    int64_t stride = (int64_t)snn_itemsize(a->dtype) * (kind == 2 ? 1 + below(3) : 1);
    for (int i = dims; i-- > 0;) {
        int axis = order[i];
        a->strides[axis] = (kind == 3 || kind == 4) && one_in(2) ? -stride : stride;
        stride *= a->shape[axis] > 0 && a->shape[axis] < 1 << 20 ? a->shape[axis] : 1;
        if (kind == 2 && one_in(3)) stride += (int64_t)snn_itemsize(a->dtype) * below(4);
    }
}

static int64_t some_number(int64_t old)
{
    static const int64_t odd[] = {0, 1, -1, 2, 3, 7, 33, 1LL << 20, 1LL << 31, 1LL << 32, 1LL << 62, INT64_MAX, INT64_MIN, -2, 64, 5};
    switch (below(4)) {
    case 0: return old + below(3) - 1;
    case 1: return old * 2;
    default: return odd[below(16)];
    }
}

/* Another shape, type or rank. Memory follows. */
static void distort(snn_array *a)
{
    int axis = a->ndim > 0 ? (int)below(a->ndim) : 0;
    switch (below(a->ndim > 0 ? 8 : 3)) {
    case 0: a->dtype = (int32_t)below(8); break;
    case 1:
        if (a->ndim < SNN_MAX_DIMS) {
            axis = (int)below(a->ndim + 1);
            memmove(a->shape + axis + 1, a->shape + axis, 8 * (size_t)(a->ndim - axis));
            a->shape[axis] = 1 + below(2), a->ndim++;
        }
        break;
    case 2: {
        static const int32_t wrong[] = {-1, 8, 9, 100, INT32_MIN, INT32_MAX};
        if (one_in(2)) a->ndim = wrong[below(6)];
        else a->dtype = wrong[below(6)];
        break;
    }
    case 3:
        memmove(a->shape + axis, a->shape + axis + 1, 8 * (size_t)(a->ndim - axis - 1));
        a->ndim--;
        break;
    case 4: { int64_t t = a->shape[0]; a->shape[0] = a->shape[axis], a->shape[axis] = t; break; }
    default: a->shape[axis] = some_number(a->shape[axis]);
    }
}

static int64_t elements_of(const snn_array *a)
{
    int64_t n = 1;
    for (int i = 0; i < a->ndim && i < SNN_MAX_DIMS; i++)
        if (a->shape[i] < 0) return 0; /* to be refused */
        else if (__builtin_mul_overflow(n, a->shape[i], &n)) return INT64_MAX;
    return n;
}

static int64_t total_elements;

/* One array of a call; changed: not the recorded one any more. */
static snn_array *make_array(const recorded_array *from, snn_test_kind kind, const char *name, int changed)
{
    snn_array *a = &heads[used_slots];
    *a = from->head;
    int distorted = changed && one_in(3);
    if (distorted) distort(a), TELL(" %s", name);
    int broadcast = 0;
    if (elements_of(a) > MOST_ELEMENTS) broadcast = 1;
    if (a->ndim >= 0 && a->ndim <= SNN_MAX_DIMS) lay_out(a);
    else memset(a->strides, 0, sizeof a->strides);
    if (broadcast || (changed && one_in(12))) memset(a->strides, 0, sizeof a->strides), TELL(" %s broadcast", name);
    if (a->ndim < 0 || a->ndim > SNN_MAX_DIMS || a->dtype < 0 || a->dtype > SNN_BOOL || !place(a, !one_in(4))) {
        snn_array whole = *a;
        memset(a->strides, 0, sizeof a->strides);
        snn_array one = {.dtype = SNN_FLOAT64};
        *a = one;
        place(a, 1);
        whole.data = a->data, memset(whole.strides, 0, sizeof whole.strides);
        *a = whole;
        if (a->ndim < 0 || a->ndim > SNN_MAX_DIMS || a->dtype < 0 || a->dtype > SNN_BOOL) TELL(" %s with %d dimensions of type %d", name, a->ndim, a->dtype);
        total_elements = INT64_MAX; /* never computed: only whether it is refused */
    } else if (elements_of(a) > 0 && elements_of(a) < MOST_ELEMENTS) {
        if (distorted || (changed && one_in(4))) {
            special = changed && one_in(2) ? 1 + (int)below(30) : 0;
            index_limit = 1 + below(9);
            if (a->dtype <= SNN_FLOAT64 && special) TELL(" %s with NaN and others", name);
            each_element(a, 0, a->data, draw);
        } else {
            source = from->elements;
            if (a->strides[0] || a->ndim == 0 || elements_of(a) <= 1) each_element(a, 0, a->data, copy_in);
        }
    }
    int64_t n = elements_of(a);
    if (__builtin_add_overflow(total_elements, n, &total_elements)) total_elements = INT64_MAX;
    if (distorted) {
        TELL(" (");
        for (int i = 0; i < a->ndim && i < SNN_MAX_DIMS; i++) TELL("%lld,", (long long)a->shape[i]);
        TELL(" type %d)", a->dtype);
    }
    placements[used_slots - 1].written = kind == SNN_TEST_WRITES;
    return a;
}

static int64_t computed, refused, only_shapes, compared;

static void one_call(void)
{
    const recorded_call *c = &calls[below(call_count)];
    operation = c->operation;
    const snn_test_field *fields = operation->fields;
    int64_t slots[MOST_SLOTS], *slot = slots;
    snn_array *results[MOST_SLOTS] = {0}, list[MOST_ARRAYS];
    int64_t lists = 0;
    int changed = !one_in(3);
    used_slots = total_elements = 0;
    story[0] = 0;
    stage = "arguments";
    for (int64_t i = 0; i < operation->field_count; i++) {
        snn_test_kind kind = fields[i].kind;
        int here = changed && one_in(3);
        int64_t value = c->scalars[i];
        if (kind == SNN_TEST_INT) {
            if (here) value = some_number(value), TELL(" %s=%lld", fields[i].name, (long long)value);
            *slot++ = value;
        } else if (kind == SNN_TEST_REAL) {
            static const double odd[] = {0, -1, 1e-310, 1e308, -1e308, 0.5, NAN, INFINITY, -INFINITY};
            double x;
            memcpy(&x, &value, 8);
            if (here) x = odd[below(9)], TELL(" %s=%g", fields[i].name, x);
            memcpy(slot++, &x, 8);
        } else if (kind == SNN_TEST_INTS) {
            recorded_array numbers = {{.dtype = SNN_INT64, .ndim = 1, .shape = {value}}, (char *)c->ints[i]};
            if (here && value > 0 && one_in(4)) numbers.head.shape[0] = value = value - 1;
            snn_array *a = &heads[used_slots];
            *a = numbers.head;
            a->strides[0] = 8;
            if (!place(a, 1)) fail("INTS do not fit");
            memcpy(a->data, c->ints[i], 8 * (size_t)value);
            if (here && value > 0) {
                int64_t *entry = (int64_t *)a->data + below(value);
                *entry = some_number(*entry);
            }
            if (here) {
                TELL(" %s=(", fields[i].name);
                for (int64_t k = 0; k < value; k++) TELL("%lld,", (long long)((int64_t *)a->data)[k]);
                TELL(")");
            }
            *slot++ = (intptr_t)a->data;
            *slot++ = value;
        } else if (is_out(kind)) {
            int wanted = kind == SNN_TEST_OUT || (value ? !one_in(8) : changed && one_in(8));
            results[i] = wanted ? &list[lists++] : NULL;
            if (wanted) memset(results[i], 0, sizeof(snn_array));
            *slot++ = (intptr_t)results[i];
        } else if (is_list(kind)) {
            if (here && value > 0 && one_in(6)) value--, TELL(" %lld of %s", (long long)value, fields[i].name);
            snn_array *first = &list[lists];
            for (int64_t k = 0; k < value; k++, lists++) {
                if (c->arrays[i][k].elements) list[lists] = *make_array(&c->arrays[i][k], kind, fields[i].name, here && one_in(value));
                else memset(&list[lists], 0, sizeof(snn_array)), list[lists].ndim = -1;
            }
            *slot++ = (intptr_t)first;
            *slot++ = value;
        } else {
            const recorded_array *from = &c->arrays[i][0];
            int optional = kind == SNN_TEST_OPT || kind == SNN_TEST_OPTINDEX || kind == SNN_TEST_MASK;
            if (!from->elements || (here && one_in(optional ? 6 : 40))) {
                if (from->elements) TELL(" %s=NULL", fields[i].name);
                *slot++ = 0;
            } else {
                *slot++ = (intptr_t)make_array(from, kind, fields[i].name, here);
            }
        }
    }
    for (int64_t i = 0; i < used_slots; i++) placements[i].sum = sum_of(&placements[i]);
    int64_t inputs = used_slots;
    snn_set_thread_limit(1 + below(3));
    stage = "shapes";
    int outs = 0;
    for (int64_t i = 0; i < operation->field_count; i++) outs += results[i] != NULL;
    /* An operation without results computes at once: only with arguments of a size that ends. */
    snn_status status = outs ? operation->call(slots) : total_elements < 4 * MOST_ELEMENTS ? SNN_OK : SNN_VALUE_ERROR;
    if (!outs && status) { only_shapes++; return; }
    size_t bytes = 0;
    for (int64_t i = 0; i < operation->field_count && status == SNN_OK; i++)
        if (results[i]) {
            if (results[i]->ndim < 0 || results[i]->ndim > SNN_MAX_DIMS) fail("a result without a shape");
            int64_t n = elements_of(results[i]);
            if (n < 0 || n > SLOT / 16) bytes = SIZE_MAX / 2;
            else bytes += snn_nbytes(results[i]);
        }
    if (status == SNN_OK && (bytes > SLOT / 2 || total_elements > 4 * MOST_ELEMENTS)) {
        only_shapes++;
        return;
    }
    if (status == SNN_OK) {
        for (int64_t i = 0; i < operation->field_count; i++)
            if (results[i]) {
                size_t n = snn_nbytes(results[i]);
                char *start = room() + (SLOT - n) / 64 * 64;
                memset(start - BESIDE, 0xa5, (size_t)(room() + SLOT - start) + BESIDE);
                results[i]->data = start;
                placements[used_slots++] = (placed){results[i], start, n, 0, 1};
            }
        stage = "computing";
        status = operation->call(slots);
    }
    stage = "afterwards";
    if (status < 0 || status > SNN_MEMORY_ERROR) fail("a status that there is not");
    if (status != SNN_OK) {
        if (!changed) fail(snn_last_error());
        if (!snn_last_error()[0]) fail("an error without a message");
        refused++;
    } else {
        computed++;
    }
    for (int64_t i = 0; i < inputs; i++)
        if (!placements[i].written && sum_of(&placements[i]) != placements[i].sum) fail("an input was written");
    for (int64_t i = inputs; i < used_slots; i++) {
        const unsigned char *start = (unsigned char *)placements[i].start, *end = start + placements[i].bytes;
        for (int k = 1; k <= BESIDE; k++)
            if (start[-k] != 0xa5) fail("bytes before a result were written");
        for (; (uintptr_t)end % 64; end++)
            if (*end != 0xa5) fail("bytes behind a result were written");
    }
    if (status != SNN_OK || changed) return;
    for (int64_t i = 0; i < operation->field_count; i++) {
        if (!results[i] || !c->arrays[i]) continue;
        const recorded_array *wanted = c->arrays[i];
        compared++;
        if (wanted->head.dtype != results[i]->dtype || wanted->head.ndim != results[i]->ndim ||
            memcmp(wanted->head.shape, results[i]->shape, 8 * (size_t)wanted->head.ndim))
            fail("another shape than recorded");
#ifndef SNN_FUZZ /* the level without fused multiply-add has other bits */
        if (memcmp(wanted->elements, results[i]->data, snn_nbytes(&wanted->head))) TELL(" %s", fields[i].name), fail("other bits than recorded");
#endif
    }
}

static void begin(const char *path)
{
    file = fopen(path, "rb");
    if (!file) exit((perror(path), 2));
    while (get_call()) {}
    if (!call_count) exit((fprintf(stderr, "random_calls: no calls in %s\n", path), 2));
    if (snn_initialize() != SNN_OK || snn_set_num_threads(3) != SNN_OK) exit((fprintf(stderr, "random_calls: %s\n", snn_last_error()), 2));
    make_memory();
}

#ifdef SNN_FUZZ
/* The levels that are not compiled in. */
void snn_kernels_avx2(snn_kernels *a, snn_kernels *b) { (void)a, (void)b, abort(); }
void snn_kernels_avx512(snn_kernels *a, snn_kernels *b) { (void)a, (void)b, abort(); }

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count, (void)arguments;
    const char *path = getenv("SNN_CALLS");
    if (!path) exit((fprintf(stderr, "random_calls: SNN_CALLS has to name a file that record.c wrote\n"), 2));
    begin(path);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz = data, fuzz_left = size;
    state = 1;
    one_call();
    number++;
    return 0;
}
#else
int main(int argc, char **argv)
{
    if (argc < 3) return fprintf(stderr, "usage: random_calls CALLS COUNT [SEED [FIRST]]\n"), 2;
    begin(argv[1]);
    static char stack[1 << 16];
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGALRM};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
    int64_t count = atoll(argv[2]), first = argc > 4 ? atoll(argv[4]) : 0;
    if (argc > 3) seed = strtoull(argv[3], NULL, 10);
    for (number = first; number < first + count; number++) {
        state = seed * 0x9e3779b97f4a7c15 + (uint64_t)number * 0xd1342543de82ef95;
        if (number % 1024 == 0) alarm(60);
        one_call();
    }
    printf("%s: %lld calls of %lld recorded ones: %lld computed, %lld refused, %lld asked for shapes alone; %lld results with the recorded bits\n",
           snn_isa(), (long long)count, (long long)call_count, (long long)computed, (long long)refused, (long long)only_shapes, (long long)compared);
    return computed == 0 || refused == 0 || compared == 0;
}
#endif
