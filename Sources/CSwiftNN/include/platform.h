/* platform.h: what the frame needs of the operating system, for Swift without a C library module (Embedded). Not part of the ABI. */
#ifndef SWIFTNN_PLATFORM_H
#define SWIFTNN_PLATFORM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kernels.h"
#include "swiftnn.h"

/* What belongs to the calling thread. */
typedef struct snn_thread_state {
    int64_t thread_limit; /* 0: none */
    int64_t in_parallel;  /* inside a parallel region: nested ones run on this thread */
    snn_interrupt_check interrupt; /* NULL: operations of this thread cannot be interrupted */
    int64_t next_check;   /* when to call it, in nanoseconds of snn_coarse_time */
    int64_t checking;     /* inside it */
    int64_t interrupted;  /* it said so: what is left of the operation is skipped */
    int64_t message_length;
    char message[SNN_MAX_MESSAGE];
} snn_thread_state;
snn_thread_state *snn_thread_state_get(void);

/* Bit 0 base, bit 1 avx2, bit 2 avx512, bit 3 neon. */
int64_t snn_detect_cpu(void);
/* The cores in this process's affinity mask, at least 1: hyper-threads of one core share the units that compute. `root`: as below. */
int64_t snn_core_count(const char *root);
/* CPUs of the tightest quota of this process's cgroups, of either version, and those above them, rounded up; 0 without one. The files are
 * those below `root`: "", or what a test makes. */
int64_t snn_cgroup_cpus(const char *root);
/* The mutexes of the pool, the weights' caches and the allocator, made at load and taken in this order; fork handlers hold all of them
 * across a fork. */
void snn_pool_lock(void);
void snn_pool_unlock(void);
void snn_pool_wait(void);      /* with the lock held; woken by snn_pool_wake_all */
void snn_pool_wake_all(void);
void snn_cache_lock(void);
void snn_cache_unlock(void);
void snn_allocator_lock(void);
void snn_allocator_unlock(void);
/* Changes in the child of a fork: workers of another generation do not exist any more. */
int64_t snn_fork_generation(void);
/* Starts a detached thread running snn_worker_main(index). 0 or an errno. */
int snn_start_worker(int64_t index);
void snn_worker_main(int64_t index); /* in Swift: ThreadPool.swift */
/* The next task of a member of the pool's job; members' numbers lie in lines of the cache of their own. */
enum { SNN_MAX_THREADS = 1024, SNN_LINE = 128 };
extern int64_t snn_task_counters[SNN_MAX_THREADS][SNN_LINE / 8];
static inline __attribute__((always_inline)) int64_t *snn_task_counter(int64_t member) { return snn_task_counters[member]; }

/* A clock that moves every few milliseconds and is read without a system call. */
int64_t snn_coarse_time(void);

static inline __attribute__((always_inline)) int64_t snn_relaxed_load(const int64_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
static inline __attribute__((always_inline)) int64_t snn_atomic_load(const int64_t *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline __attribute__((always_inline)) void snn_atomic_store(int64_t *p, int64_t v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }
static inline __attribute__((always_inline)) int64_t snn_atomic_add(int64_t *p, int64_t v) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }
static inline __attribute__((always_inline)) int snn_atomic_compare_exchange(int64_t *p, int64_t expected, int64_t desired) {
    return __atomic_compare_exchange_n(p, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
static inline __attribute__((always_inline)) void snn_cpu_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}
/* How the calling thread rounds and treats denormal numbers: to nearest and exactly is what a thread starts with, but libraries built with
 * -ffast-math, or their users, turn denormals off. Operations compute in the former, on every thread, and leave the caller its own. */
#if defined(__x86_64__)
enum { SNN_FLOAT_MODE = 0x1f80, SNN_FLOAT_FLAGS = 0x3f };
static inline __attribute__((always_inline)) uint64_t snn_float_mode(void) { return __builtin_ia32_stmxcsr() & ~(uint32_t)SNN_FLOAT_FLAGS; }
static inline __attribute__((always_inline)) void snn_set_float_mode(uint64_t mode) { __builtin_ia32_ldmxcsr((uint32_t)mode); }
#elif defined(__aarch64__)
enum { SNN_FLOAT_MODE = 0 };
static inline __attribute__((always_inline)) uint64_t snn_float_mode(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static inline __attribute__((always_inline)) void snn_set_float_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#endif
/* Room for the two kernel tables, float32 and float64. */
extern snn_kernels snn_kernel_tables[2];
static inline __attribute__((always_inline)) snn_kernels *snn_kernel_table(int i) { return &snn_kernel_tables[i]; }
static inline __attribute__((always_inline)) void *snn_map_failed(void) { return MAP_FAILED; }
/* Field access for Swift, which sees C arrays as tuples. */
static inline __attribute__((always_inline)) const int64_t *snn_shape(const snn_array *a) { return a->shape; }
static inline __attribute__((always_inline)) const int64_t *snn_strides(const snn_array *a) { return a->strides; }
static inline __attribute__((always_inline)) int64_t *snn_shape_mutable(snn_array *a) { return a->shape; }
static inline __attribute__((always_inline)) int64_t *snn_strides_mutable(snn_array *a) { return a->strides; }
static inline __attribute__((always_inline)) char *snn_message(snn_thread_state *s) { return s->message; }
static inline __attribute__((always_inline)) int snn_open_read(const char *path) { return open(path, O_RDONLY | O_CLOEXEC); }

#endif
