/* swiftnn.h: the C ABI of swiftnn.
 *
 * An operation takes one struct of arguments and returns a status; snn_last_error() then has the calling thread's message.
 *
 *     snn_array x = ..., w = ..., y = {0};
 *     snn_linear_forward_args args = {.x = &x, .weight = &w, .activation = SNN_NONE, .y = &y};
 *     snn_linear_forward(&args);            // y.data is NULL: checks everything, fills y.dtype, ndim, shape, strides
 *     y.data = snn_allocate(snn_nbytes(&y));
 *     snn_linear_forward(&args);            // computes into y.data
 *
 * One call does both for a small result: with y = {.ndim = -1, .shape = {limit}} and y.data NULL, a result of at most `limit` bytes is
 * allocated (free y.data with snn_free, after an error too) and computed at once. Where any result of the call is larger, its data stays
 * NULL and nothing is computed: allocate it and call again.
 *
 * Inputs may have any strides (in bytes, multiples of the element size; zero and negative ones too) and are never written (but WRITES).
 * Outputs are C-contiguous; in the second call their shape must be the one that the first call filled in.
 * Functions are thread-safe as long as nobody writes an array that another thread reads.
 */
#ifndef SWIFTNN_H
#define SWIFTNN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SNN_ABI_VERSION 1
#define SNN_MAX_DIMS 8
#define SNN_MAX_MESSAGE 512

/** How a call went; snn_last_error() has the message where it is not SNN_OK. */
typedef int32_t snn_status;
enum {
    SNN_OK = 0,            /**< the operation is done */
    SNN_VALUE_ERROR = 1,   /**< a parameter has a value it cannot have */
    SNN_TYPE_ERROR = 2,    /**< an array has an element type that does not fit */
    SNN_SHAPE_ERROR = 3,   /**< an array has a shape that does not fit */
    SNN_INDEX_ERROR = 4,   /**< an index is out of range */
    SNN_MEMORY_ERROR = 5,  /**< there is no memory for what the operation needs */
    SNN_INTERRUPTED = 6,   /**< snn_set_interrupt's function stopped the operation: its results are unspecified, nothing else has changed */
};

/** snn_array.dtype */
enum {
    SNN_FLOAT32 = 0, SNN_FLOAT64 = 1, SNN_INT64 = 2, SNN_INT32 = 3, SNN_INT16 = 4, SNN_INT8 = 5, SNN_UINT8 = 6, SNN_BOOL = 7,
};

/** Activation kinds; (alpha, beta) in brackets. */
enum {
    SNN_NONE = -1,
    SNN_RELU = 0, SNN_RELU6 = 1, SNN_LEAKY_RELU = 2 /**< slope */, SNN_ELU = 3 /**< alpha */, SNN_GELU = 4, SNN_GELU_TANH = 5, SNN_SILU = 6,
    SNN_MISH = 7, SNN_SIGMOID = 8, SNN_TANH = 9, SNN_SOFTPLUS = 10 /**< beta, threshold */, SNN_HARDSWISH = 11, SNN_EXP = 12, SNN_LOG = 13,
    SNN_ERF = 14, SNN_HARDTANH = 15 /**< min, max */, SNN_HARDSIGMOID = 16, SNN_LOGSIGMOID = 17, SNN_SELU = 18, SNN_SOFTSIGN = 19,
    SNN_CELU = 20 /**< alpha */, SNN_THRESHOLD = 21 /**< threshold, value */, SNN_HARDSHRINK = 22 /**< lambda */,
    SNN_SOFTSHRINK = 23 /**< lambda */, SNN_ACTIVATION_COUNT = 24,
};
/** What pad_forward puts round an array. */
enum { SNN_PAD_CONSTANT = 0, SNN_PAD_REFLECT = 1, SNN_PAD_REPLICATE = 2, SNN_PAD_CIRCULAR = 3 };
/** How interpolate_forward finds a value between others. */
enum {
    SNN_NEAREST = 0, SNN_BILINEAR = 1 /**< linear in 1-D */, SNN_NEAREST_EXACT = 2, SNN_BICUBIC = 3,
    SNN_BILINEAR_SMOOTH = 4 /**< antialias=True: a filter as wide as an output */, SNN_BICUBIC_SMOOTH = 5, SNN_LANCZOS_SMOOTH = 6,
};
/** What combine_forward makes of two numbers. */
enum { SNN_ADD = 0, SNN_SUBTRACT = 1, SNN_MULTIPLY = 2, SNN_DIVIDE = 3 };
/** Recurrent cells. */
enum { SNN_RNN_TANH = 0, SNN_RNN_RELU = 1, SNN_LSTM = 2, SNN_GRU = 3 };
/** Distributions of random_forward. */
enum { SNN_UNIFORM = 0, SNN_NORMAL = 1, SNN_BERNOULLI = 2, SNN_INTEGERS = 3 };

/** What becomes of the losses of all elements. */
enum { SNN_NO_REDUCTION = 0, SNN_MEAN = 1, SNN_SUM = 2 };
/** Pointwise losses; alpha in brackets. */
enum {
    SNN_MSE = 0, SNN_L1 = 1, SNN_SMOOTH_L1 = 2 /**< beta */, SNN_HUBER = 3 /**< delta */, SNN_BCE = 4, SNN_BCE_WITH_LOGITS = 5,
    SNN_KL_DIV = 6 /**< 1: the target is a logarithm */, SNN_LOSS_COUNT = 7,
};

/** An array of somebody's memory: where it lies, of what type, size and steps. */
typedef struct snn_array {
    void *data;                    /**< the first element; NULL in a result that is not there yet */
    int32_t dtype;                 /**< SNN_FLOAT32, ... */
    int32_t ndim;                  /**< at most SNN_MAX_DIMS */
    int64_t shape[SNN_MAX_DIMS];   /**< the size of each dimension */
    int64_t strides[SNN_MAX_DIMS]; /**< in bytes */
    /** Where operations keep what they make of a weight (packed panels); NULL: nothing is kept. Whoever passes a cache passes another
     * version whenever the array's content, memory or shape may have changed since the last call. */
    struct snn_cache *cache;
    int64_t version; /**< of what the cache was made from */
} snn_array;

/* One argument struct and one prototype for each row of ops.def. */
#define IN(n) const snn_array *n;
#define OPT(n) const snn_array *n;
#define NUM(n) const snn_array *n;
#define INDEX(n) const snn_array *n;
#define OPTINDEX(n) const snn_array *n;
#define MASK(n) const snn_array *n;
#define ARRAYS(n) const snn_array *n; int64_t n##_count;
#define WRITES(n) const snn_array *n; int64_t n##_count;
#define OUT(n) snn_array *n;
#define OPTOUT(n) snn_array *n;
#define INT(n) int64_t n;
#define INTS(n) const int64_t *n; int64_t n##_count;
#define REAL(n) double n;
#define SNN_OP(name, fields) \
    typedef struct snn_##name##_args { fields } snn_##name##_args; \
    snn_status snn_##name(const snn_##name##_args *args);
#include "ops.def"
#undef SNN_OP
#undef IN
#undef OPT
#undef NUM
#undef INDEX
#undef OPTINDEX
#undef MASK
#undef ARRAYS
#undef WRITES
#undef OUT
#undef OPTOUT
#undef INT
#undef INTS
#undef REAL

/** The calling thread's message of its last failed call; "" if there was none. Valid until its next call. */
const char *snn_last_error(void);

/** Chooses the instruction set level (SWIFTNN_ISA=base|avx2|avx512, or neon on ARM, else the best this CPU has). Called by itself at the
 * first operation; call it to learn of a level that the CPU lacks before anything runs. */
snn_status snn_initialize(void);
/** "base", "avx2", "avx512", or "neon" on ARM: the level in use. */
const char *snn_isa(void);
/** Bit 0 base, bit 1 avx2, bit 2 avx512, bit 3 neon: what this CPU can run. */
int64_t snn_isa_available(void);
/** Keeps the calling thread's multiply-add units busy without memory, and returns how many operations (two a multiply-add) that were:
 * over the time they took, the peak that benchmarks compare with. rounds of 12 vectors; 0 for a dtype that is not a float type. */
double snn_multiply_adds(int32_t dtype, int64_t rounds);

/** Sets how many threads an operation may use, for the whole process: 1 to 1024, else SNN_VALUE_ERROR. */
snn_status snn_set_num_threads(int64_t n);
/** How many threads an operation of the calling thread may use: its own limit, or the process-wide number where none is set. */
int64_t snn_get_num_threads(void);
/** Sets the calling thread's own limit and returns the one before it; 0 lifts it. */
int64_t snn_set_thread_limit(int64_t n);

/** Returns whether to stop: not zero. */
typedef int (*snn_interrupt_check)(void);
/** Sets what operations of the calling thread ask every tenth of a second, on this thread, whether to stop (not zero); returns the one
 * before it. NULL, the default: they always finish. An operation that writes its inputs in place must not be stopped half-way: set NULL for
 * it. The function may call operations, which finish. */
snn_interrupt_check snn_set_interrupt(snn_interrupt_check check);

/** Whether 3x3 convolutions, and those of few channels, may use Winograd's algorithm, in the whole process: several
 * times faster, with rounding errors up to four times as large, and a NaN or infinity in the input spreads over the tiles of 4x4 outputs (few
 * channels: of four or eight outputs in a row) that see it. On unless SWIFTNN_WINOGRAD=0. */
void snn_set_winograd(int64_t enabled);
/** 1 where convolutions may use Winograd's algorithm, else 0. */
int64_t snn_get_winograd(void);

/** A block of memory from the caching allocator: 64-byte aligned, huge-page backed when large. NULL when there is no memory. */
void *snn_allocate(size_t bytes);
/** Gives a block of snn_allocate back to the cache. NULL does nothing. */
void snn_free(void *block);
/** How many bytes were asked for when this block was allocated; 0 for NULL. */
size_t snn_allocated_size(const void *block);
/** What operations keep of one weight: see snn_array. */
typedef struct snn_cache snn_cache;
/** A cache for one weight. Free it when the weight goes. NULL when there is no memory. */
snn_cache *snn_cache_create(void);
/** Frees a cache and what it keeps. No operation may be using it. */
void snn_cache_free(snn_cache *cache);
/** Drops what caches keep and gives cached blocks back to the system; returns the bytes given back. */
size_t snn_release_memory(void);
/** Writes what the allocator holds: out[0] bytes in use, out[1] bytes cached, out[2] blocks in use, out[3] blocks taken from the
 * system so far, out[4] reused so far. */
void snn_memory_stats(int64_t out[5]);

/** Bytes of one element of this dtype. */
static inline size_t snn_itemsize(int32_t dtype) {
    switch (dtype) {
    case SNN_FLOAT64: case SNN_INT64: return 8;
    case SNN_FLOAT32: case SNN_INT32: return 4;
    case SNN_INT16: return 2;
    default: return 1;
    }
}
/** Bytes of an array's elements in C order: what its data needs. */
static inline size_t snn_nbytes(const snn_array *a) {
    size_t n = snn_itemsize(a->dtype);
    for (int32_t i = 0; i < a->ndim; i++) n *= (size_t)a->shape[i];
    return n;
}

#ifdef __cplusplus
}
#endif
#endif
