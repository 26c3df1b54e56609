/* simd.h: vector operations that Swift cannot spell, as always-inline functions on generic vectors; each level compiles them with its
 * own machine flags. */
#ifndef SWIFTNN_SIMD_H
#define SWIFTNN_SIMD_H

#include <stdint.h>
#include <string.h>

typedef float snn_f32x16 __attribute__((vector_size(64)));
typedef double snn_f64x8 __attribute__((vector_size(64)));
typedef float snn_f32x16u __attribute__((vector_size(64), aligned(4)));
typedef double snn_f64x8u __attribute__((vector_size(64), aligned(8)));

/* Elements 0, 2, 4, ... and 1, 3, 5, ... of two vectors' numbers at p. */
static inline __attribute__((always_inline)) snn_f32x16 snn_even_f32(const float *p) {
    snn_f32x16 a = *(const snn_f32x16u *)p, b = *(const snn_f32x16u *)(p + 16);
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}
static inline __attribute__((always_inline)) snn_f32x16 snn_odd_f32(const float *p) {
    snn_f32x16 a = *(const snn_f32x16u *)p, b = *(const snn_f32x16u *)(p + 16);
    return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}
static inline __attribute__((always_inline)) snn_f64x8 snn_even_f64(const double *p) {
    snn_f64x8 a = *(const snn_f64x8u *)p, b = *(const snn_f64x8u *)(p + 8);
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
}
static inline __attribute__((always_inline)) snn_f64x8 snn_odd_f64(const double *p) {
    snn_f64x8 a = *(const snn_f64x8u *)p, b = *(const snn_f64x8u *)(p + 8);
    return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}

/* Writes 16, 32 or 64 bytes past the caches: memory that is not read soon need not be read before it is written. p aligned to the size. */
typedef int64_t snn_i64x2 __attribute__((vector_size(16)));
typedef int64_t snn_i64x4 __attribute__((vector_size(32)));
typedef int64_t snn_i64x8 __attribute__((vector_size(64)));
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

typedef float snn_f32x8 __attribute__((vector_size(32), aligned(4)));
typedef double snn_f64x4 __attribute__((vector_size(32), aligned(8)));

/* Asks for the cache line at p to be read into the second-level cache: it comes back from there sooner than from memory, and does not
 * push out what the first level holds. */
static inline __attribute__((always_inline)) void snn_prefetch(const void *p) { __builtin_prefetch(p, 0, 2); }

/* Asks for the cache line at p to be read into the first-level cache. */
static inline __attribute__((always_inline)) void snn_prefetch_near(const void *p) { __builtin_prefetch(p, 0, 3); }

/* dst[k*ldd + i] = src[i*lds + k] for 8 x 8 */
static inline __attribute__((always_inline)) void snn_transpose8_f32(const float *src, int64_t lds, float *dst, int64_t ldd) {
#define LD(i) (*(const snn_f32x8 *)(src + (i) * lds))
#define LO(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define HI(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define EV(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define OD(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define L4(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define H4(a, b) __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
    snn_f32x8 r0 = LD(0), r1 = LD(1), r2 = LD(2), r3 = LD(3), r4 = LD(4), r5 = LD(5), r6 = LD(6), r7 = LD(7);
    snn_f32x8 a0 = LO(r0, r1), a1 = HI(r0, r1), a2 = LO(r2, r3), a3 = HI(r2, r3);
    snn_f32x8 a4 = LO(r4, r5), a5 = HI(r4, r5), a6 = LO(r6, r7), a7 = HI(r6, r7);
    snn_f32x8 b0 = EV(a0, a2), b1 = OD(a0, a2), b2 = EV(a1, a3), b3 = OD(a1, a3);
    snn_f32x8 b4 = EV(a4, a6), b5 = OD(a4, a6), b6 = EV(a5, a7), b7 = OD(a5, a7);
#define ST(k, v) (*(snn_f32x8 *)(dst + (k) * ldd) = (v))
    ST(0, L4(b0, b4)); ST(1, L4(b1, b5)); ST(2, L4(b2, b6)); ST(3, L4(b3, b7));
    ST(4, H4(b0, b4)); ST(5, H4(b1, b5)); ST(6, H4(b2, b6)); ST(7, H4(b3, b7));
#undef LD
#undef LO
#undef HI
#undef EV
#undef OD
#undef L4
#undef H4
#undef ST
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
