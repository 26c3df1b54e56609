/* Operations of every family from several threads at once, with inputs and weights' caches in common, while another thread gives memory back,
 * changes how many threads there are and reads the statistics: the bits are those of one thread alone. For ThreadSanitizer (./Tests/run
 * --tsan), which reports what the threads do to each other's memory; with the argument "race" one of its own, which has to be reported.
 *
 *     test_threads ROUNDS [race]
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swiftnn.h"

enum { CALLERS = 4 };

static int rounds, problems;
static int64_t finished, raced;

/* A C-contiguous array in common, filled once with numbers in [-1, 1). */
static snn_array make(int32_t dtype, int32_t ndim, ...)
{
    static uint64_t state = 1;
    snn_array a = {.dtype = dtype, .ndim = ndim};
    va_list sizes;
    va_start(sizes, ndim);
    for (int32_t i = 0; i < ndim; i++) a.shape[i] = va_arg(sizes, int);
    va_end(sizes);
    int64_t stride = (int64_t)snn_itemsize(dtype);
    for (int32_t i = ndim - 1; i >= 0; i--) {
        a.strides[i] = stride;
        stride *= a.shape[i];
    }
    a.data = malloc(snn_nbytes(&a));
    for (size_t i = 0; i < snn_nbytes(&a) / snn_itemsize(dtype); i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        double number = (double)(state >> 33) / (1u << 30) - 1.0;
        if (dtype == SNN_FLOAT32) ((float *)a.data)[i] = (float)number;
        else if (dtype == SNN_FLOAT64) ((double *)a.data)[i] = number;
        else ((int64_t *)a.data)[i] = (int64_t)(state >> 33) % 7;
    }
    return a;
}

static snn_array weight(int32_t dtype, int32_t ndim, int a, int b, int c, int d)
{
    snn_array w = ndim == 1 ? make(dtype, 1, a) : ndim == 2 ? make(dtype, 2, a, b) : make(dtype, 4, a, b, c, d);
    w.cache = snn_cache_create();
    return w;
}

/* Results: shapes by a first call, memory, a second call; their bytes go into the hash, and the memory back. */
static void allocate(snn_array *const *outs, int n)
{
    for (int i = 0; i < n; i++) outs[i]->data = snn_allocate(snn_nbytes(outs[i]) ? snn_nbytes(outs[i]) : 1);
}

static uint64_t hashed(uint64_t hash, snn_status status, snn_array *const *outs, int n)
{
    if (status != SNN_OK && status != SNN_INTERRUPTED) {
        printf("FAIL %s\n", snn_last_error());
        exit(1);
    }
    for (int i = 0; i < n; i++) {
        const unsigned char *bytes = outs[i]->data;
        for (size_t k = 0; k < snn_nbytes(outs[i]); k++) hash = (hash ^ bytes[k]) * 1099511628211u;
        snn_free(outs[i]->data);
    }
    return hash;
}

#define CALL(name, count, ...) \
    do { \
        snn_##name##_args args = {__VA_ARGS__}; \
        snn_status status = snn_##name(&args); \
        if (status == SNN_OK) allocate(outs, count), status = snn_##name(&args); \
        hash = hashed(hash, status, outs, status == SNN_OK || status == SNN_INTERRUPTED ? count : 0); \
    } while (0)

typedef struct {
    snn_array x, wide, image, sequence, heads, labels, matrix, square, row, filters, depthwise, pointwise, small[10], gradient;
} inputs;
static inputs in[2];

static void fill(inputs *a, int32_t t)
{
    a->x = make(t, 2, 70, 90);
    a->wide = make(t, 2, 3, 4000);
    a->image = make(t, 4, 2, 16, 20, 21);
    a->sequence = make(t, 3, 9, 3, 24);
    a->heads = make(t, 4, 2, 4, 33, 16);
    a->labels = make(SNN_INT64, 1, 70);
    a->matrix = weight(t, 2, 130, 90, 0, 0);
    a->square = weight(t, 2, 7, 90, 0, 0);
    a->row = weight(t, 1, 130, 0, 0, 0);
    a->filters = weight(t, 4, 24, 16, 3, 3);
    a->depthwise = weight(t, 4, 16, 1, 3, 3);
    a->pointwise = weight(t, 4, 40, 16, 1, 1);
    for (int k = 0; k < 2; k++) {
        a->small[5 * k] = weight(t, 2, 4 * 40, k ? 40 : 24, 0, 0);
        a->small[5 * k + 1] = weight(t, 2, 4 * 40, 40, 0, 0);
        a->small[5 * k + 2] = weight(t, 1, 4 * 40, 0, 0, 0);
        a->small[5 * k + 3] = weight(t, 1, 4 * 40, 0, 0, 0);
        a->small[5 * k + 4] = (snn_array){.ndim = -1};
    }
    a->gradient = make(t, 2, 70, 130);
}

/* The hash of what every family computes of inputs that nobody changes. */
static uint64_t all_families(const inputs *a)
{
    uint64_t hash = 14695981039346656037u;
    const int64_t one[2] = {1, 1}, two[2] = {2, 2}, three[2] = {3, 3}, none[2] = {0, 0}, width[1] = {90}, shape[1] = {20000};
    snn_array r[4] = {{0}}, *const outs[4] = {&r[0], &r[1], &r[2], &r[3]};
#define Y .y = &r[0]
    CALL(linear_forward, 1, .x = &a->x, .weight = &a->matrix, .bias = &a->row, .activation = SNN_GELU, Y);
    memset(r, 0, sizeof r);
    CALL(linear_backward, 3, .dy = &a->gradient, .x = &a->x, .weight = &a->matrix, .dx = &r[0], .dweight = &r[1], .dbias = &r[2]);
    memset(r, 0, sizeof r);
    const snn_array *filters[3] = {&a->filters, &a->depthwise, &a->pointwise};
    for (int i = 0; i < 3; i++) {
        const int64_t *padding = i == 2 ? none : one;
        snn_conv_forward_args args = {
            .x = &a->image, .weight = filters[i], .stride = one, .stride_count = 2, .padding = padding, .padding_count = 2, .dilation = one,
            .dilation_count = 2, .groups = i == 1 ? 16 : 1, .activation = SNN_NONE, Y,
        };
        snn_status status = snn_conv_forward(&args);
        if (status == SNN_OK) allocate(outs, 1), status = snn_conv_forward(&args);
        snn_array dy = r[0], d[2] = {{0}}, *const found[2] = {&d[0], &d[1]};
        snn_conv_backward_args back = {
            .dy = &dy, .x = &a->image, .weight = filters[i], .stride = one, .stride_count = 2, .padding = padding, .padding_count = 2,
            .dilation = one, .dilation_count = 2, .groups = args.groups, .dx = &d[0], .dweight = &d[1],
        };
        int64_t stride = (int64_t)snn_itemsize(dy.dtype);
        for (int k = dy.ndim - 1; k >= 0; k--) dy.strides[k] = stride, stride *= dy.shape[k];
        if (status == SNN_OK) status = snn_conv_backward(&back);
        if (status == SNN_OK) allocate(found, 2), status = snn_conv_backward(&back);
        hash = hashed(hashed(hash, status, found, 2), SNN_OK, outs, 1);
        memset(r, 0, sizeof r);
    }
    CALL(max_pool_forward, 2, .x = &a->image, .kernel_size = three, .kernel_size_count = 2, .stride = two, .stride_count = 2, .padding = one,
         .padding_count = 2, .dilation = one, .dilation_count = 2, Y, .indices = &r[1]);
    memset(r, 0, sizeof r);
    CALL(avg_pool_forward, 1, .x = &a->image, .kernel_size = three, .kernel_size_count = 2, .stride = two, .stride_count = 2, .padding = one,
         .padding_count = 2, .count_include_pad = 1, Y);
    memset(r, 0, sizeof r);
    CALL(rnn_forward, 4, .mode = SNN_LSTM, .x = &a->sequence, .weights = a->small, .weights_count = 10, .layers = 2, Y, .hn = &r[1],
         .cn = &r[2], .reserve = &r[3]);
    memset(r, 0, sizeof r);
    CALL(rnn_forward, 2, .mode = SNN_LSTM, .x = &a->sequence, .weights = a->small, .weights_count = 10, .layers = 2, .dropout = 0.25, .seed = 3,
         Y, .hn = &r[1]);
    memset(r, 0, sizeof r);
    CALL(attention_forward, 3, .q = &a->heads, .k = &a->heads, .v = &a->heads, .is_causal = 1, Y, .weights = &r[1], .logsumexp = &r[2]);
    memset(r, 0, sizeof r);
    CALL(layer_norm_forward, 1, .x = &a->x, .normalized_shape = width, .normalized_shape_count = 1, .eps = 1e-5, Y);
    memset(r, 0, sizeof r);
    CALL(group_norm_forward, 1, .x = &a->image, .groups = 4, .eps = 1e-5, Y);
    memset(r, 0, sizeof r);
    CALL(batch_stats_forward, 2, .x = &a->image, .mean = &r[0], .variance = &r[1]);
    memset(r, 0, sizeof r);
    CALL(softmax_forward, 1, .x = &a->wide, .axis = 1, Y);
    memset(r, 0, sizeof r);
    CALL(activation_forward, 1, .x = &a->wide, .kind = SNN_TANH, Y);
    memset(r, 0, sizeof r);
    CALL(embedding_forward, 1, .indices = &a->labels, .weight = &a->square, .padding_idx = -1, Y);
    memset(r, 0, sizeof r);
    CALL(cross_entropy_forward, 2, .x = &a->x, .target = &a->labels, .ignore_index = -100, .reduction = SNN_MEAN, Y, .logsumexp = &r[1]);
    memset(r, 0, sizeof r);
    CALL(dropout_forward, 1, .x = &a->wide, .p = 0.5, .seed = 7, .offset = 11, Y);
    memset(r, 0, sizeof r);
    CALL(random_forward, 1, .shape = shape, .shape_count = 1, .dtype = a->x.dtype, .b = 1, .seed = 5, Y);
    memset(r, 0, sizeof r);
    /* written in place: in memory of the thread's own */
    snn_array own[4] = {a->x, a->x, a->x, a->x};
    for (int i = 0; i < 4; i++) own[i].data = memcpy(snn_allocate(snn_nbytes(&a->x)), a->x.data, snn_nbytes(&a->x));
    memset(own[2].data, 0, snn_nbytes(&a->x));
    memset(own[3].data, 0, snn_nbytes(&a->x));
    snn_adam_step_args step = {
        .params = &own[0], .params_count = 1, .grads = &own[1], .grads_count = 1, .exp_avgs = &own[2], .exp_avgs_count = 1,
        .exp_avg_sqs = &own[3], .exp_avg_sqs_count = 1, .lr = 0.1, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .step = 1,
    };
    snn_array *const written[4] = {&own[0], &own[1], &own[2], &own[3]};
    snn_status status = snn_adam_step(&step);
    return hashed(hash, status, written, 4);
}

static uint64_t expected[2];

static int never(void) { return 0; }

static void *caller(void *number)
{
    int me = (int)(intptr_t)number;
    snn_set_interrupt(me % 2 ? never : NULL);
    for (int i = 0; i < rounds; i++) {
        snn_set_thread_limit((me + i) % 4); /* 0: none */
        int which = (me + i) % 2;
        if (all_families(&in[which]) != expected[which]) __atomic_add_fetch(&problems, 1, __ATOMIC_SEQ_CST);
    }
    __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static int now_and_then(void)
{
    static _Thread_local int asked;
    return ++asked % 2;
}

/* Long operations, which ask whether to stop, and stop every second time. */
static void *stopper(void *unused)
{
    snn_array x = make(SNN_FLOAT64, 2, 1200, 1200), r = {0}, *const outs[1] = {&r};
    snn_set_interrupt(now_and_then);
    for (int64_t n = 0; __atomic_load_n(&finished, __ATOMIC_SEQ_CST) < CALLERS; n++) {
        uint64_t hash = 0;
        snn_set_thread_limit(n % 2); /* 1: beside the pool's jobs, 0: as one of them */
        CALL(matmul_forward, 1, .a = &x, .b = &x, .y = &r);
        r = (snn_array){0};
    }
    free(x.data);
    return unused;
}

/* What a program may do at any time. */
static void *meddler(void *unused)
{
    for (int64_t n = 0; __atomic_load_n(&finished, __ATOMIC_SEQ_CST) < CALLERS; n++) {
        int64_t statistics[5];
        snn_memory_stats(statistics);
        snn_release_memory();
        snn_set_num_threads(1 + n % 4);
        snn_set_winograd(1);
        snn_get_winograd();
        snn_isa();
        snn_cache *cache = snn_cache_create();
        snn_cache_free(cache);
        snn_free(snn_allocate(1 + (size_t)n % 5000));
    }
    return unused;
}

static void *racer(void *unused)
{
    for (int i = 0; i < 1000; i++) raced++;
    return unused;
}

int main(int argc, char **argv)
{
    rounds = argc > 1 ? atoi(argv[1]) : 1;
    pthread_t threads[CALLERS + 2];
    if (argc > 2 && strcmp(argv[2], "race") == 0) {
        for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, racer, NULL);
        for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
        printf("raced %d\n", (int)raced);
        return 0;
    }
    fill(&in[0], SNN_FLOAT32);
    fill(&in[1], SNN_FLOAT64);
    /* The first call of all is one of several threads, too: chosen levels and started workers are theirs in common. */
    snn_set_num_threads(4);
    pthread_create(&threads[CALLERS], NULL, meddler, NULL);
    snn_set_thread_limit(1);
    for (int i = 0; i < 2; i++) expected[i] = all_families(&in[i]);
    pthread_create(&threads[CALLERS + 1], NULL, stopper, NULL);
    for (int i = 0; i < CALLERS; i++) pthread_create(&threads[i], NULL, caller, (void *)(intptr_t)i);
    for (int i = 0; i < CALLERS + 2; i++) pthread_join(threads[i], NULL);
    printf("level %s: %d threads called every family %d times, %d with other bits than one thread\n", snn_isa(), CALLERS, rounds, problems);
    return problems != 0;
}
