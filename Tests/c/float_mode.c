/* float_mode.c: how the calling thread rounds and treats denormal numbers, for test_float_mode.py. */
#include <stdint.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
uint64_t float_mode(void) { return _mm_getcsr() & ~0x3fu; }
void set_float_mode(uint64_t mode) { _mm_setcsr((uint32_t)mode); }
/* Denormal results and operands are zeros; towards zero */
uint64_t odd_mode(void) { return 0x1f80 | 0x8000 | 0x0040 | 0x6000; }
#elif defined(__aarch64__)
uint64_t float_mode(void) { uint64_t mode; __asm__ volatile("mrs %0, fpcr" : "=r"(mode)); return mode; }
void set_float_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
uint64_t odd_mode(void) { return (1u << 24) | (3u << 22); }
#endif
