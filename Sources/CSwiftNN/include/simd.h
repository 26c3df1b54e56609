/* simd.h: vector operations that Swift cannot spell, as always-inline functions on generic vectors; each level compiles them with its
 * own machine flags. */
#ifndef SWIFTNN_SIMD_H
#define SWIFTNN_SIMD_H

#include <stdint.h>
#include <string.h>

typedef float snn_f32x16 __attribute__((vector_size(64)));
typedef double snn_f64x8 __attribute__((vector_size(64)));
typedef float snn_f32x8 __attribute__((vector_size(32), aligned(4)));
typedef double snn_f64x4 __attribute__((vector_size(32), aligned(8)));
typedef float snn_f32x4 __attribute__((vector_size(16), aligned(4)));
typedef float snn_f32x4a __attribute__((vector_size(16)));
typedef double snn_f64x2 __attribute__((vector_size(16)));
typedef float snn_f32x8a __attribute__((vector_size(32)));
typedef double snn_f64x4a __attribute__((vector_size(32)));
typedef int32_t snn_i32x16 __attribute__((vector_size(64)));
typedef int32_t snn_i32x8 __attribute__((vector_size(32)));
typedef int64_t snn_i64x2 __attribute__((vector_size(16)));
typedef int64_t snn_i64x4 __attribute__((vector_size(32)));
typedef int64_t snn_i64x8 __attribute__((vector_size(64)));
typedef int64_t snn_i64x8u __attribute__((vector_size(64), aligned(8)));
typedef uint32_t snn_u32x16u __attribute__((vector_size(64), aligned(4)));
typedef uint32_t snn_u32x8u __attribute__((vector_size(32), aligned(4)));
typedef uint64_t snn_u64x8 __attribute__((vector_size(64)));
typedef uint64_t snn_u64x8u __attribute__((vector_size(64), aligned(4)));

/* One number in every lane of a register. SIMD(repeating:) takes its shuffle's mask from a value that the optimiser may carry around
 * branches, upon which Swift 6.3.1 crashes. */
static inline __attribute__((always_inline)) snn_f32x4a snn_splat4_f32(float v) { return (snn_f32x4a){v, v, v, v}; }
static inline __attribute__((always_inline)) snn_f32x8a snn_splat8_f32(float v) { return (snn_f32x8a){v, v, v, v, v, v, v, v}; }
static inline __attribute__((always_inline)) snn_f32x16 snn_splat16_f32(float v) {
    return (snn_f32x16){v, v, v, v, v, v, v, v, v, v, v, v, v, v, v, v};
}
static inline __attribute__((always_inline)) snn_f64x2 snn_splat2_f64(double v) { return (snn_f64x2){v, v}; }
static inline __attribute__((always_inline)) snn_f64x4a snn_splat4_f64(double v) { return (snn_f64x4a){v, v, v, v}; }
static inline __attribute__((always_inline)) snn_f64x8 snn_splat8_f64(double v) { return (snn_f64x8){v, v, v, v, v, v, v, v}; }

/* Elements 0, 2, 4, ... and 1, 3, 5, ... of two vectors. */
static inline __attribute__((always_inline)) snn_f32x16 snn_even_f32(snn_f32x16 a, snn_f32x16 b) {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}
static inline __attribute__((always_inline)) snn_f32x16 snn_odd_f32(snn_f32x16 a, snn_f32x16 b) {
    return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}
static inline __attribute__((always_inline)) snn_f64x8 snn_even_f64(snn_f64x8 a, snn_f64x8 b) {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
}
static inline __attribute__((always_inline)) snn_f64x8 snn_odd_f64(snn_f64x8 a, snn_f64x8 b) {
    return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}

/* Elements 0, 3, 6, ... of three vectors. */
static inline __attribute__((always_inline)) snn_f32x16 snn_third_f32(snn_f32x16 a, snn_f32x16 b, snn_f32x16 c) {
    snn_f32x16 ab = __builtin_shufflevector(a, b, 0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, -1, -1, -1, -1, -1);
    return __builtin_shufflevector(ab, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 20, 23, 26, 29);
}
static inline __attribute__((always_inline)) snn_f64x8 snn_third_f64(snn_f64x8 a, snn_f64x8 b, snn_f64x8 c) {
    snn_f64x8 ab = __builtin_shufflevector(a, b, 0, 3, 6, 9, 12, 15, -1, -1);
    return __builtin_shufflevector(ab, c, 0, 1, 2, 3, 4, 5, 10, 13);
}

/* Quarter j of a, b, c and d in this order. */
static inline __attribute__((always_inline)) snn_f32x16 snn_quarters_f32(snn_f32x16 a, snn_f32x16 b, snn_f32x16 c, snn_f32x16 d, int64_t j) {
#define LO(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define HI(a, b) __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
    snn_f32x16 x = j < 2 ? LO(a, b) : HI(a, b), y = j < 2 ? LO(c, d) : HI(c, d);
    return j % 2 == 0 ? __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
                      : __builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
#undef LO
#undef HI
}
static inline __attribute__((always_inline)) snn_f64x8 snn_quarters_f64(snn_f64x8 a, snn_f64x8 b, snn_f64x8 c, snn_f64x8 d, int64_t j) {
    snn_f64x8 x = j < 2 ? __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) : __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
    snn_f64x8 y = j < 2 ? __builtin_shufflevector(c, d, 0, 1, 2, 3, 8, 9, 10, 11) : __builtin_shufflevector(c, d, 4, 5, 6, 7, 12, 13, 14, 15);
    return j % 2 == 0 ? __builtin_shufflevector(x, y, 0, 1, 4, 5, 8, 9, 12, 13) : __builtin_shufflevector(x, y, 2, 3, 6, 7, 10, 11, 14, 15);
}
/* A quarter of a vector from each of four places. */
static inline __attribute__((always_inline)) snn_f32x16
snn_load_quarters_f32(const float *a, const float *b, const float *c, const float *d) {
    snn_f32x8a ab = __builtin_shufflevector(*(const snn_f32x4 *)a, *(const snn_f32x4 *)b, 0, 1, 2, 3, 4, 5, 6, 7);
    snn_f32x8a cd = __builtin_shufflevector(*(const snn_f32x4 *)c, *(const snn_f32x4 *)d, 0, 1, 2, 3, 4, 5, 6, 7);
    return __builtin_shufflevector(ab, cd, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
static inline __attribute__((always_inline)) snn_f64x8
snn_load_quarters_f64(const double *a, const double *b, const double *c, const double *d) {
    return (snn_f64x8){a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]};
}
/* The first `count` numbers of quarters 0 ..< n to p, p + stride, ... */
static inline __attribute__((always_inline)) void snn_store_quarters_f32(float *p, int64_t stride, snn_f32x16 v, int64_t n, int64_t count) {
    float lanes[16];
    memcpy(lanes, &v, sizeof v);
    for (int64_t j = 0; j < n; j++) {
        if (count == 4) memcpy(p + j * stride, lanes + 4 * j, 16);
        else for (int64_t i = 0; i < count; i++) p[j * stride + i] = lanes[4 * j + i];
    }
}
static inline __attribute__((always_inline)) void snn_store_quarters_f64(double *p, int64_t stride, snn_f64x8 v, int64_t n, int64_t count) {
    double lanes[8];
    memcpy(lanes, &v, sizeof v);
    for (int64_t j = 0; j < n; j++) {
        if (count == 2) memcpy(p + j * stride, lanes + 2 * j, 16);
        else p[j * stride] = lanes[2 * j];
    }
}

/* Comparisons set all bits of a lane; select takes a where they are set, else b. Written out: the standard library's replacing(with:where:)
 * is a loop over lanes that the optimiser does not always undo. */
static inline __attribute__((always_inline)) snn_i32x16 snn_less_f32(snn_f32x16 a, snn_f32x16 b) { return a < b; }
static inline __attribute__((always_inline)) snn_i32x16 snn_is_nan_f32(snn_f32x16 a) { return a != a; }
static inline __attribute__((always_inline)) snn_f32x16 snn_select_f32(snn_i32x16 mask, snn_f32x16 a, snn_f32x16 b) {
    return (snn_f32x16)((mask & (snn_i32x16)a) | (~mask & (snn_i32x16)b));
}
static inline __attribute__((always_inline)) snn_i64x8 snn_less_f64(snn_f64x8 a, snn_f64x8 b) { return a < b; }
static inline __attribute__((always_inline)) snn_i64x8 snn_is_nan_f64(snn_f64x8 a) { return a != a; }
static inline __attribute__((always_inline)) snn_f64x8 snn_select_f64(snn_i64x8 mask, snn_f64x8 a, snn_f64x8 b) {
    return (snn_f64x8)((mask & (snn_i64x8)a) | (~mask & (snn_i64x8)b));
}
static inline __attribute__((always_inline)) snn_i32x16 snn_select_i32(snn_i32x16 mask, snn_i32x16 a, snn_i32x16 b) { return (mask & a) | (~mask & b); }
static inline __attribute__((always_inline)) snn_i64x8 snn_select_i64(snn_i64x8 mask, snn_i64x8 a, snn_i64x8 b) { return (mask & a) | (~mask & b); }
static inline __attribute__((always_inline)) snn_i32x16 snn_at_least_x16(const uint32_t *p, uint32_t threshold) {
    return *(const snn_u32x16u *)p >= (snn_u32x16u){0} + threshold;
}
static inline __attribute__((always_inline)) snn_i64x8 snn_at_least_x8(const uint32_t *p, uint32_t threshold) {
    return __builtin_convertvector((*(const snn_u32x8u *)p >= (snn_u32x8u){0} + threshold), snn_i64x8);
}
/* Eight blocks of Philox4x32, a 32-bit word in the low half of each lane: such products need no wider multiplication. Swift's operators on
 * SIMD8<UInt64> come out as lanes picked apart. */
static inline __attribute__((always_inline)) snn_u64x8 snn_philox_product(snn_u64x8 c, uint32_t m) { return (c & UINT32_MAX) * m; }
static inline __attribute__((always_inline)) snn_u64x8 snn_philox_low(snn_u64x8 product) { return product & UINT32_MAX; }
static inline __attribute__((always_inline)) snn_u64x8 snn_philox_high(snn_u64x8 product, snn_u64x8 c, uint32_t key) {
    return product >> 32 ^ c ^ (uint64_t)key;
}
/* first, first + 1, ... modulo 2^62 (numbers of words are modulo 2^64, four to a block), in the order that snn_philox_store expects. */
static inline __attribute__((always_inline)) snn_u64x8 snn_philox_counters(uint64_t first) {
    return ((snn_u64x8){0, 4, 1, 5, 2, 6, 3, 7} + first) & UINT64_MAX >> 2;
}
/* Words 0 to 3 of each block, pairs of lanes within 128 bits, where a shuffle is cheap. */
static inline __attribute__((always_inline)) void
snn_philox_store(uint32_t *words, snn_u64x8 c0, snn_u64x8 c1, snn_u64x8 c2, snn_u64x8 c3) {
    snn_u64x8 a = c0 | c1 << 32, b = c2 | c3 << 32;
    *(snn_u64x8u *)words = __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14);
    *(snn_u64x8u *)(words + 16) = __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
}
/* The largest lane, none of which is NaN. */
static inline __attribute__((always_inline)) float snn_largest_f32(snn_f32x16 v) {
    v = snn_select_f32(snn_less_f32(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)),
                       __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7), v);
    float a = v[0] > v[4] ? v[0] : v[4], b = v[1] > v[5] ? v[1] : v[5], c = v[2] > v[6] ? v[2] : v[6], d = v[3] > v[7] ? v[3] : v[7];
    a = a > c ? a : c;
    b = b > d ? b : d;
    return a > b ? a : b;
}
static inline __attribute__((always_inline)) double snn_largest_f64(snn_f64x8 v) {
    double a = v[0] > v[4] ? v[0] : v[4], b = v[1] > v[5] ? v[1] : v[5], c = v[2] > v[6] ? v[2] : v[6], d = v[3] > v[7] ? v[3] : v[7];
    a = a > c ? a : c;
    b = b > d ? b : d;
    return a > b ? a : b;
}

/* The sum of the lanes, halves added pairwise. */
static inline __attribute__((always_inline)) float snn_sum_f32(snn_f32x16 v) {
    snn_f32x8a a = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
    snn_f32x4a b = __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
    b += __builtin_shufflevector(b, b, 2, 3, 2, 3);
    return b[0] + b[1];
}
static inline __attribute__((always_inline)) double snn_sum_f64(snn_f64x8 v) {
    snn_f64x4a a = __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
    snn_f64x2 b = __builtin_shufflevector(a, a, 0, 1) + __builtin_shufflevector(a, a, 2, 3);
    return b[0] + b[1];
}

/* The numbers at p, p + stride, ... built in registers: a vector read back from memory just written in pieces would wait for it. */
static inline __attribute__((always_inline)) snn_f32x16 snn_strided_f32(const float *p, int64_t d) {
    return (snn_f32x16){p[0], p[d], p[2 * d], p[3 * d], p[4 * d], p[5 * d], p[6 * d], p[7 * d], p[8 * d], p[9 * d], p[10 * d],
                        p[11 * d], p[12 * d], p[13 * d], p[14 * d], p[15 * d]};
}
static inline __attribute__((always_inline)) snn_f64x8 snn_strided_f64(const double *p, int64_t d) {
    return (snn_f64x8){p[0], p[d], p[2 * d], p[3 * d], p[4 * d], p[5 * d], p[6 * d], p[7 * d]};
}

/* v rounded down, and to the nearest integer (halves to even). */
static inline __attribute__((always_inline)) snn_f32x16 snn_floor_f32(snn_f32x16 v) { return __builtin_elementwise_floor(v); }
static inline __attribute__((always_inline)) snn_f64x8 snn_floor_f64(snn_f64x8 v) { return __builtin_elementwise_floor(v); }
static inline __attribute__((always_inline)) snn_f32x16 snn_nearest_f32(snn_f32x16 v) { return __builtin_elementwise_nearbyint(v); }
static inline __attribute__((always_inline)) snn_f64x8 snn_nearest_f64(snn_f64x8 v) { return __builtin_elementwise_nearbyint(v); }

/* Integers v, each times step. */
static inline __attribute__((always_inline)) snn_i32x16 snn_steps_f32(snn_f32x16 v, int64_t step) {
    return __builtin_convertvector(v, snn_i32x16) * (int32_t)step;
}
static inline __attribute__((always_inline)) snn_i64x8 snn_steps_f64(snn_f64x8 v, int64_t step) {
    return __builtin_convertvector(v, snn_i64x8) * step;
}

/* p[at[i]] */
static inline __attribute__((always_inline)) snn_f32x16 snn_gather_f32(const float *p, snn_i32x16 at) {
#if defined(__AVX512F__)
    return __builtin_ia32_gathersiv16sf((snn_f32x16){0}, p, at, (unsigned short)-1, 4);
#else
    return (snn_f32x16){p[at[0]], p[at[1]], p[at[2]],  p[at[3]],  p[at[4]],  p[at[5]],  p[at[6]],  p[at[7]],
                        p[at[8]], p[at[9]], p[at[10]], p[at[11]], p[at[12]], p[at[13]], p[at[14]], p[at[15]]};
#endif
}
static inline __attribute__((always_inline)) snn_f64x8 snn_gather_f64(const double *p, snn_i64x8 at) {
#if defined(__AVX512F__)
    return __builtin_ia32_gatherdiv8df((snn_f64x8){0}, p, at, (unsigned char)-1, 8);
#else
    return (snn_f64x8){p[at[0]], p[at[1]], p[at[2]], p[at[3]], p[at[4]], p[at[5]], p[at[6]], p[at[7]]};
#endif
}

/* The larger (smaller) of a and b, and a where either is NaN or both are zero: what the instructions do with their operands in this order. */
#if defined(__AVX512F__)
#define SNN_EXTREME_F32(max) return __builtin_ia32_##max##ps512(b, a, 4);
#define SNN_EXTREME_F64(max) return __builtin_ia32_##max##pd512(b, a, 4);
#elif defined(__AVX__)
#define SNN_EXTREME_F32(max)                                                                                                    \
    snn_f32x8 low = __builtin_ia32_##max##ps256(__builtin_shufflevector(b, b, 0, 1, 2, 3, 4, 5, 6, 7),                          \
                                                __builtin_shufflevector(a, a, 0, 1, 2, 3, 4, 5, 6, 7));                         \
    snn_f32x8 high = __builtin_ia32_##max##ps256(__builtin_shufflevector(b, b, 8, 9, 10, 11, 12, 13, 14, 15),                   \
                                                 __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15));                  \
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#define SNN_EXTREME_F64(max)                                                                                                    \
    snn_f64x4 low = __builtin_ia32_##max##pd256(__builtin_shufflevector(b, b, 0, 1, 2, 3), __builtin_shufflevector(a, a, 0, 1, 2, 3));  \
    snn_f64x4 high = __builtin_ia32_##max##pd256(__builtin_shufflevector(b, b, 4, 5, 6, 7), __builtin_shufflevector(a, a, 4, 5, 6, 7)); \
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
#else
#define SNN_WINS_max a < b
#define SNN_WINS_min b < a
#define SNN_EXTREME_F32(max) return snn_select_f32(SNN_WINS_##max, b, a);
#define SNN_EXTREME_F64(max) return snn_select_f64(SNN_WINS_##max, b, a);
#endif
static inline __attribute__((always_inline)) snn_f32x16 snn_max_f32(snn_f32x16 a, snn_f32x16 b) { SNN_EXTREME_F32(max) }
static inline __attribute__((always_inline)) snn_f32x16 snn_min_f32(snn_f32x16 a, snn_f32x16 b) { SNN_EXTREME_F32(min) }
static inline __attribute__((always_inline)) snn_f64x8 snn_max_f64(snn_f64x8 a, snn_f64x8 b) { SNN_EXTREME_F64(max) }
static inline __attribute__((always_inline)) snn_f64x8 snn_min_f64(snn_f64x8 a, snn_f64x8 b) { SNN_EXTREME_F64(min) }

/* Swift's squareRoot() is sqrtf for each lane. */
static inline __attribute__((always_inline)) snn_f32x16 snn_sqrt_f32(snn_f32x16 a) { return __builtin_elementwise_sqrt(a); }
static inline __attribute__((always_inline)) snn_f64x8 snn_sqrt_f64(snn_f64x8 a) { return __builtin_elementwise_sqrt(a); }

/* p[i] in the lanes whose bit is set, fill in the others, of which nothing is read. */
static inline __attribute__((always_inline)) snn_f32x16 snn_load_lanes_f32(const float *p, uint64_t lanes, float fill) {
#if defined(__AVX512F__)
    return __builtin_ia32_loadups512_mask(p, (snn_f32x16){0} + fill, (unsigned short)lanes);
#elif defined(__AVX2__)
    const snn_i32x8 bit = {1, 2, 4, 8, 16, 32, 64, 128};
    union { snn_i32x8 half[2]; snn_f32x16 all; } v;
    for (int i = 0; i < 2; i++) {
        snn_i32x8 mask = ((snn_i32x8){0} + (int32_t)(lanes >> 8 * i) & bit) == bit;
        v.half[i] = (snn_i32x8)__builtin_ia32_maskloadps256((const snn_f32x8a *)(p + 8 * i), mask)
                    | (~mask & (snn_i32x8)((snn_f32x8a){0} + fill));
    }
    return v.all;
#else
    union { float lane[16]; snn_f32x16 all; } v;
    for (int i = 0; i < 16; i++) v.lane[i] = lanes >> i & 1 ? p[i] : fill;
    return v.all;
#endif
}
static inline __attribute__((always_inline)) snn_f64x8 snn_load_lanes_f64(const double *p, uint64_t lanes, double fill) {
#if defined(__AVX512F__)
    return __builtin_ia32_loadupd512_mask(p, (snn_f64x8){0} + fill, (unsigned char)lanes);
#elif defined(__AVX2__)
    const snn_i64x4 bit = {1, 2, 4, 8};
    union { snn_i64x4 half[2]; snn_f64x8 all; } v;
    for (int i = 0; i < 2; i++) {
        snn_i64x4 mask = ((snn_i64x4){0} + (int64_t)(lanes >> 4 * i) & bit) == bit;
        v.half[i] = (snn_i64x4)__builtin_ia32_maskloadpd256((const snn_f64x4a *)(p + 4 * i), mask)
                    | (~mask & (snn_i64x4)((snn_f64x4a){0} + fill));
    }
    return v.all;
#else
    union { double lane[8]; snn_f64x8 all; } v;
    for (int i = 0; i < 8; i++) v.lane[i] = lanes >> i & 1 ? p[i] : fill;
    return v.all;
#endif
}

/* The first n lanes to p, n below the number of lanes. */
static inline __attribute__((always_inline)) void snn_store_first_f32(float *p, snn_f32x16 v, int64_t n) {
#if defined(__AVX512F__)
    __builtin_ia32_storeups512_mask(p, v, (unsigned short)((1u << n) - 1));
#else
    if (n & 8) {
        *(snn_f32x8 *)p = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
        v = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
        p += 8;
    }
    if (n & 4) {
        *(snn_f32x4 *)p = __builtin_shufflevector(v, v, 0, 1, 2, 3);
        v = __builtin_shufflevector(v, v, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
        p += 4;
    }
    if (n & 2) {
        p[0] = v[0];
        p[1] = v[1];
        v[0] = v[2];
        p += 2;
    }
    if (n & 1) p[0] = v[0];
#endif
}
static inline __attribute__((always_inline)) void snn_store_first_f64(double *p, snn_f64x8 v, int64_t n) {
#if defined(__AVX512F__)
    __builtin_ia32_storeupd512_mask(p, v, (unsigned char)((1u << n) - 1));
#else
    if (n & 4) {
        *(snn_f64x4 *)p = __builtin_shufflevector(v, v, 0, 1, 2, 3);
        v = __builtin_shufflevector(v, v, 4, 5, 6, 7, 4, 5, 6, 7);
        p += 4;
    }
    if (n & 2) {
        p[0] = v[0];
        p[1] = v[1];
        v[0] = v[2];
        p += 2;
    }
    if (n & 1) p[0] = v[0];
#endif
}

/* at[i] - first - 2 * i, and what of it is not a number of 32 bits without a sign, folded. */
static inline __attribute__((always_inline)) snn_i64x8 snn_pair_places8(const int64_t *at, int64_t first) {
    return *(const snn_i64x8u *)at - first - (snn_i64x8){0, 2, 4, 6, 8, 10, 12, 14};
}
static inline __attribute__((always_inline)) snn_i32x16 snn_pair_places16(const int64_t *at, int64_t first) {
    snn_i32x8 low = __builtin_convertvector(snn_pair_places8(at, first), snn_i32x8);
    snn_i32x8 high = __builtin_convertvector(snn_pair_places8(at + 8, first + 16), snn_i32x8);
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
static inline __attribute__((always_inline)) snn_i64x8 snn_pair_excess8(const int64_t *at, int64_t first) {
    return snn_pair_places8(at, first) >> 32;
}
static inline __attribute__((always_inline)) snn_i64x8 snn_pair_excess16(const int64_t *at, int64_t first) {
    return snn_pair_excess8(at, first) | snn_pair_excess8(at + 8, first + 16);
}
static inline __attribute__((always_inline)) snn_i64x8 snn_or_i64(snn_i64x8 a, snn_i64x8 b) { return a | b; }
static inline __attribute__((always_inline)) int64_t snn_any_i64(snn_i64x8 v) {
    return v[0] | v[1] | v[2] | v[3] | v[4] | v[5] | v[6] | v[7];
}
static inline __attribute__((always_inline)) snn_i32x16 snn_equal_i32(snn_i32x16 a, int32_t b) { return a == b; }
static inline __attribute__((always_inline)) snn_i64x8 snn_equal_i64(snn_i64x8 a, int64_t b) { return a == b; }
/* All bits of the lanes where neither is true, folded. */
static inline __attribute__((always_inline)) snn_i64x8 snn_neither_i32(snn_i32x16 a, snn_i32x16 b) { return (snn_i64x8) ~(a | b); }
static inline __attribute__((always_inline)) snn_i64x8 snn_neither_i64(snn_i64x8 a, snn_i64x8 b) { return ~(a | b); }
/* a[0], b[0], a[1], b[1], ... to p */
static inline __attribute__((always_inline)) void snn_store_zipped_f32(float *p, snn_f32x16 a, snn_f32x16 b) {
    snn_f32x16 low = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    snn_f32x16 high = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    memcpy(p, &low, sizeof low);
    memcpy(p + 16, &high, sizeof high);
}
static inline __attribute__((always_inline)) void snn_store_zipped_f64(double *p, snn_f64x8 a, snn_f64x8 b) {
    snn_f64x8 low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    snn_f64x8 high = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    memcpy(p, &low, sizeof low);
    memcpy(p + 8, &high, sizeof high);
}

/* Keeps what computes a vector in whole registers: LLVM 21 would compute halves of what a shuffle takes by halves. */
#ifdef __AVX512F__
#define SNN_WHOLE(v) __asm__("" : "+v"(v))
#else
#define SNN_WHOLE(v) (void)0
#endif
/* a[0], b[0], c[0], d[0], a[1], ...; stream: past the caches, p aligned to 64 bytes. */
#define SNN_STORE_ZIPPED4(SUFFIX, SCALAR, VECTOR, LANES, TURN, LOW, HIGH) \
    static inline __attribute__((always_inline)) void snn_store_zipped4_##SUFFIX( \
        SCALAR *p, VECTOR a, VECTOR b, VECTOR c, VECTOR d, int64_t stream) { \
        TURN(a); TURN(b); TURN(c); TURN(d); \
        VECTOR ac = __builtin_shufflevector(a, c, LOW), bd = __builtin_shufflevector(b, d, LOW); \
        VECTOR ac2 = __builtin_shufflevector(a, c, HIGH), bd2 = __builtin_shufflevector(b, d, HIGH); \
        VECTOR v0 = __builtin_shufflevector(ac, bd, LOW), v1 = __builtin_shufflevector(ac, bd, HIGH); \
        VECTOR v2 = __builtin_shufflevector(ac2, bd2, LOW), v3 = __builtin_shufflevector(ac2, bd2, HIGH); \
        if (stream) { \
            __builtin_nontemporal_store(v0, (VECTOR *)p); \
            __builtin_nontemporal_store(v1, (VECTOR *)(p + (LANES))); \
            __builtin_nontemporal_store(v2, (VECTOR *)(p + 2 * (LANES))); \
            __builtin_nontemporal_store(v3, (VECTOR *)(p + 3 * (LANES))); \
            return; \
        } \
        memcpy(p, &v0, sizeof v0); \
        memcpy(p + (LANES), &v1, sizeof v1); \
        memcpy(p + 2 * (LANES), &v2, sizeof v2); \
        memcpy(p + 3 * (LANES), &v3, sizeof v3); \
    }
#ifdef __AVX512F__
/* Shuffles across a register share the units of multiplications, those inside its quarters don't: the quarters of a vector take turns first, one
 * shuffle instead of two. */
#define SNN_TURN16(v) v = __builtin_shufflevector(v, v, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15); SNN_WHOLE(v)
#define SNN_LOW16 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define SNN_HIGH16 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#else
#define SNN_TURN16(v) (void)0
#define SNN_LOW16 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define SNN_HIGH16 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#endif
#define SNN_LOW8 0, 8, 1, 9, 2, 10, 3, 11
#define SNN_HIGH8 4, 12, 5, 13, 6, 14, 7, 15
SNN_STORE_ZIPPED4(f32, float, snn_f32x16, 16, SNN_TURN16, SNN_LOW16, SNN_HIGH16)
SNN_STORE_ZIPPED4(f64, double, snn_f64x8, 8, SNN_WHOLE, SNN_LOW8, SNN_HIGH8)

/* p[i] = at[i] + first + i * step for the first n lanes. */
static inline __attribute__((always_inline)) void snn_store_places8(
    int64_t *p, snn_i64x8 at, int64_t first, int64_t step, int64_t n) {
    at += (snn_i64x8){0, 1, 2, 3, 4, 5, 6, 7} * step + first;
    if (n >= 8) {
        *(snn_i64x8u *)p = at;
        return;
    }
#if defined(__AVX512F__)
    __builtin_ia32_storedqudi512_mask((snn_i64x8 *)p, at, (unsigned char)((1u << n) - 1));
#else
    for (int i = 0; i < 8; i++)
        if (i < n) p[i] = at[i];
#endif
}
static inline __attribute__((always_inline)) void snn_store_places16(
    int64_t *p, snn_i32x16 at, int64_t first, int64_t step, int64_t n) {
    snn_store_places8(p, __builtin_convertvector(__builtin_shufflevector(at, at, 0, 1, 2, 3, 4, 5, 6, 7), snn_i64x8), first, step, n);
    if (n > 8) {
        snn_i64x8 high = __builtin_convertvector(__builtin_shufflevector(at, at, 8, 9, 10, 11, 12, 13, 14, 15), snn_i64x8);
        snn_store_places8(p + 8, high, first + 8 * step, step, n - 8);
    }
}

/* Writes 16, 32 or 64 bytes past the caches: memory that is not read soon need not be read before it is written. p aligned to the size. */
static inline __attribute__((always_inline)) void snn_stream16(void *p, snn_i64x2 v) { __builtin_nontemporal_store(v, (snn_i64x2 *)p); }
static inline __attribute__((always_inline)) void snn_stream32(void *p, snn_i64x4 v) { __builtin_nontemporal_store(v, (snn_i64x4 *)p); }
static inline __attribute__((always_inline)) void snn_stream64(void *p, snn_i64x8 v) { __builtin_nontemporal_store(v, (snn_i64x8 *)p); }
/* Orders streamed writes before later ones. */
static inline __attribute__((always_inline)) void snn_stream_end(void) {
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
}

#ifdef __AVX512F__
/* v * 2^k in one instruction, rounded once where the result is below the normal range. */
static inline __attribute__((always_inline)) snn_f32x16 snn_scalef_f32(snn_f32x16 v, snn_f32x16 k) {
    return __builtin_ia32_scalefps512_mask(v, k, (snn_f32x16){0}, (unsigned short)-1, 4);
}
static inline __attribute__((always_inline)) snn_f64x8 snn_scalef_f64(snn_f64x8 v, snn_f64x8 k) {
    return __builtin_ia32_scalefpd512_mask(v, k, (snn_f64x8){0}, (unsigned char)-1, 4);
}
/* The first n lanes of memory: nothing else is touched. */
static inline __attribute__((always_inline)) snn_f32x16 snn_load_partial_f32(const float *p, int64_t n) {
    return __builtin_ia32_loadups512_mask((const snn_f32x16 *)p, (snn_f32x16){0}, (unsigned short)((1u << n) - 1));
}
static inline __attribute__((always_inline)) snn_f64x8 snn_load_partial_f64(const double *p, int64_t n) {
    return __builtin_ia32_loadupd512_mask((const snn_f64x8 *)p, (snn_f64x8){0}, (unsigned char)((1u << n) - 1));
}
static inline __attribute__((always_inline)) void snn_store_partial_f32(float *p, snn_f32x16 v, int64_t n) {
    __builtin_ia32_storeups512_mask((snn_f32x16 *)p, v, (unsigned short)((1u << n) - 1));
}
static inline __attribute__((always_inline)) void snn_store_partial_f64(double *p, snn_f64x8 v, int64_t n) {
    __builtin_ia32_storeupd512_mask((snn_f64x8 *)p, v, (unsigned char)((1u << n) - 1));
}
#endif

/* Lane i is number at[i] of those in a and b. */
static inline __attribute__((always_inline)) snn_f32x16 snn_pick_f32(snn_f32x16 a, snn_f32x16 b, snn_i32x16 at) {
#ifdef __AVX512F__
    return __builtin_ia32_vpermi2varps512(a, at, b);
#else
    snn_f32x16 v = a;
    for (int i = 0; i < 16; i++) v[i] = at[i] < 16 ? a[at[i]] : b[at[i] - 16];
    return v;
#endif
}
static inline __attribute__((always_inline)) snn_f64x8 snn_pick_f64(snn_f64x8 a, snn_f64x8 b, snn_i32x16 at) {
    snn_i64x8 places = __builtin_convertvector(__builtin_shufflevector(at, at, 0, 1, 2, 3, 4, 5, 6, 7), snn_i64x8);
#ifdef __AVX512F__
    return __builtin_ia32_vpermi2varpd512(a, places, b);
#else
    snn_f64x8 v = a;
    for (int i = 0; i < 8; i++) v[i] = places[i] < 8 ? a[places[i]] : b[places[i] - 8];
    return v;
#endif
}

/* Asks for the cache line at p to be read into the second-level cache: it comes back from there sooner than from memory, and does not
 * push out what the first level holds. */
static inline __attribute__((always_inline)) void snn_prefetch(const void *p) { __builtin_prefetch(p, 0, 2); }

/* Asks for the cache line at p to be read into the first-level cache. */
static inline __attribute__((always_inline)) void snn_prefetch_near(const void *p) { __builtin_prefetch(p, 0, 3); }

/* Loads and stores before it stay before it, in the compiler's order of instructions; the CPU's is not its business. */
static inline __attribute__((always_inline)) void snn_keep_order(void) { __asm__ __volatile__("" : : : "memory"); }

/* p, of which the compiler no longer knows how it came about. */
static inline __attribute__((always_inline)) const void *snn_hide(const void *p) {
    __asm__("" : "+r"(p));
    return p;
}

/* Three pointers at which nothing is read before 24 vectors are computed: the optimiser cannot begin a step of a loop before another is
 * done, and has registers for all of them. */
typedef struct {
    const void *a, *b, *c;
} snn_three_pointers;
#if defined(__AVX512F__)
static inline __attribute__((always_inline)) snn_three_pointers snn_hide_behind64(
    snn_three_pointers p, snn_i64x8 v0, snn_i64x8 v1, snn_i64x8 v2, snn_i64x8 v3, snn_i64x8 v4, snn_i64x8 v5, snn_i64x8 v6,
    snn_i64x8 v7, snn_i64x8 v8, snn_i64x8 v9, snn_i64x8 v10, snn_i64x8 v11, snn_i64x8 v12, snn_i64x8 v13, snn_i64x8 v14, snn_i64x8
    v15, snn_i64x8 v16, snn_i64x8 v17, snn_i64x8 v18, snn_i64x8 v19, snn_i64x8 v20, snn_i64x8 v21, snn_i64x8 v22, snn_i64x8 v23) {
    __asm__(""
            : "+r"(p.a), "+r"(p.b), "+r"(p.c)
            : "v"(v0), "v"(v1), "v"(v2), "v"(v3), "v"(v4), "v"(v5), "v"(v6), "v"(v7), "v"(v8), "v"(v9), "v"(v10), "v"(v11),
            "v"(v12), "v"(v13), "v"(v14), "v"(v15), "v"(v16), "v"(v17), "v"(v18), "v"(v19), "v"(v20), "v"(v21), "v"(v22),
            "v"(v23));
    return p;
}
#endif

/* dst[k*ldd + i] = src[i*lds + k] for 8 x 8. Halves of rows i and i + 4 are loaded into one vector: what is left are shuffles within the
 * halves, of which CPUs do two at a time, and none across. */
static inline __attribute__((always_inline)) void snn_transpose8_f32(const float *src, int64_t lds, float *dst, int64_t ldd) {
#define HALF(i, k) (*(const snn_f32x4 *)(src + (i) * lds + (k)))
#define LD(i, k) __builtin_shufflevector(HALF(i, k), HALF(i + 4, k), 0, 1, 2, 3, 4, 5, 6, 7)
#define LO(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define HI(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define EV(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define OD(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define ST(k, v) (*(snn_f32x8 *)(dst + (k) * ldd) = (v))
    for (int64_t k = 0; k < 8; k += 4) {
        snn_f32x8 r0 = LD(0, k), r1 = LD(1, k), r2 = LD(2, k), r3 = LD(3, k);
        snn_f32x8 a0 = LO(r0, r1), a1 = HI(r0, r1), a2 = LO(r2, r3), a3 = HI(r2, r3);
        ST(k, EV(a0, a2)); ST(k + 1, OD(a0, a2)); ST(k + 2, EV(a1, a3)); ST(k + 3, OD(a1, a3));
    }
#undef HALF
#undef LD
#undef LO
#undef HI
#undef EV
#undef OD
#undef ST
}

/* dst[k*ldd + i] = src[i*lds + k] for 4 rows of 8 */
static inline __attribute__((always_inline)) void snn_transpose4_f32(const float *src, int64_t lds, float *dst, int64_t ldd) {
#define LD(i, k) (*(const snn_f32x4 *)(src + (i) * lds + (k)))
#define LO(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HI(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define EV(a, b) __builtin_shufflevector(a, b, 0, 1, 4, 5)
#define OD(a, b) __builtin_shufflevector(a, b, 2, 3, 6, 7)
#define ST(k, v) (*(snn_f32x4 *)(dst + (k) * ldd) = (v))
    for (int64_t k = 0; k < 8; k += 4) {
        snn_f32x4 r0 = LD(0, k), r1 = LD(1, k), r2 = LD(2, k), r3 = LD(3, k);
        snn_f32x4 a0 = LO(r0, r1), a1 = HI(r0, r1), a2 = LO(r2, r3), a3 = HI(r2, r3);
        ST(k, EV(a0, a2)); ST(k + 1, OD(a0, a2)); ST(k + 2, EV(a1, a3)); ST(k + 3, OD(a1, a3));
    }
#undef LD
#undef LO
#undef HI
#undef EV
#undef OD
#undef ST
}

/* dst[k*ldd + i] = src[i*lds + k] for 2 rows of 4 */
static inline __attribute__((always_inline)) void snn_transpose2_f64(const double *src, int64_t lds, double *dst, int64_t ldd) {
    for (int64_t k = 0; k < 4; k++) {
        dst[k * ldd] = src[k];
        dst[k * ldd + 1] = src[lds + k];
    }
}

/* dst[k*ldd + i] = src[i*lds + k] for 4 x 4 */
static inline __attribute__((always_inline)) void snn_transpose4_f64(const double *src, int64_t lds, double *dst, int64_t ldd) {
#define LD(i) (*(const snn_f64x4 *)(src + (i) * lds))
    snn_f64x4 r0 = LD(0), r1 = LD(1), r2 = LD(2), r3 = LD(3);
    snn_f64x4 a0 = __builtin_shufflevector(r0, r1, 0, 4, 2, 6), a1 = __builtin_shufflevector(r0, r1, 1, 5, 3, 7);
    snn_f64x4 a2 = __builtin_shufflevector(r2, r3, 0, 4, 2, 6), a3 = __builtin_shufflevector(r2, r3, 1, 5, 3, 7);
#define ST(k, v) (*(snn_f64x4 *)(dst + (k) * ldd) = (v))
    ST(0, __builtin_shufflevector(a0, a2, 0, 1, 4, 5));
    ST(1, __builtin_shufflevector(a1, a3, 0, 1, 4, 5));
    ST(2, __builtin_shufflevector(a0, a2, 2, 3, 6, 7));
    ST(3, __builtin_shufflevector(a1, a3, 2, 3, 6, 7));
#undef LD
#undef ST
}

#endif
