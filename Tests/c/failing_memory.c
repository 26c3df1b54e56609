/* LD_PRELOAD: makes the n-th request for memory (or threads) that comes from libSwiftNN.so or the extension fail, and those after it; other
 * callers are served as ever. Tests/python/out_of_memory.py steers it through ctypes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static uintptr_t ranges[16][2];
static int range_count;
static long countdown; /* requests until the first failure; 0: not armed */
static bool once, threads_fail;
static long failed;

static int note(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size, (void)data;
    if (!strstr(info->dlpi_name, "libSwiftNN.so") && !strstr(info->dlpi_name, "swiftnn/_native")) return 0;
    for (int i = 0; i < info->dlpi_phnum && range_count < 16; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
        ranges[range_count][0] = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        ranges[range_count][1] = ranges[range_count][0] + info->dlpi_phdr[i].p_memsz;
        range_count++;
    }
    return 0;
}

/* Fails the n-th request from now on, and all after it unless `alone`. 0: none. */
void failing_arm(long n, int alone)
{
    if (!range_count) dl_iterate_phdr(note, NULL);
    __atomic_store_n(&failed, 0, __ATOMIC_SEQ_CST);
    once = alone;
    __atomic_store_n(&countdown, n, __ATOMIC_SEQ_CST);
}
/* How many requests have failed since then. */
long failing_failed(void) { return __atomic_load_n(&failed, __ATOMIC_SEQ_CST); }
int failing_ranges(void) { return range_count; }
void failing_threads(int fail) { threads_fail = fail; }

static bool fails(void *caller)
{
    if (__atomic_load_n(&countdown, __ATOMIC_RELAXED) <= 0) return false;
    bool ours = false;
    for (int i = 0; i < range_count; i++) ours |= (uintptr_t)caller >= ranges[i][0] && (uintptr_t)caller < ranges[i][1];
    if (!ours) return false;
    if (__atomic_load_n(&countdown, __ATOMIC_SEQ_CST) > 1) return __atomic_sub_fetch(&countdown, 1, __ATOMIC_SEQ_CST), false;
    if (once) __atomic_store_n(&countdown, 0, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&failed, 1, __ATOMIC_SEQ_CST);
    errno = ENOMEM;
    return true;
}

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);

void *malloc(size_t n) { return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t m) { return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n)
{
    if (fails(__builtin_return_address(0))) return ENOMEM;
    void *block = __libc_memalign(a, n);
    if (!block) return ENOMEM;
    *p = block;
    return 0;
}

void *mmap(void *at, size_t n, int protection, int flags, int file, off_t offset)
{
    static void *(*real)(void *, size_t, int, int, int, off_t);
    if (!real) real = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
    return fails(__builtin_return_address(0)) ? MAP_FAILED : real(at, n, protection, flags, file, offset);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!real) real = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
    return threads_fail ? EAGAIN : real(thread, attributes, start, argument);
}
