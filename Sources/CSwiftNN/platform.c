/* What Swift cannot spell without a C library module: thread-local state, mutexes with static initialisers, fork handlers, CPUID. */
#include "platform.h"

#if defined(__x86_64__)
#include <cpuid.h>

#if defined(__GLIBC__)
/* glibc 2.34 moved these into libc, unchanged, under new versions: with the old ones the library runs on systems from glibc 2.17 on. */
__asm__(".symver pthread_create, pthread_create@GLIBC_2.2.5");
__asm__(".symver pthread_attr_setstacksize, pthread_attr_setstacksize@GLIBC_2.2.5");
#endif
#endif

static _Thread_local snn_thread_state thread_state;
snn_thread_state *snn_thread_state_get(void) { return &thread_state; }

snn_kernels snn_kernel_tables[2];
_Alignas(SNN_LINE) int64_t snn_task_counters[SNN_MAX_THREADS][SNN_LINE / 8];

static pthread_mutex_t pool_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t pool_condition = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t cache_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t allocator_mutex = PTHREAD_MUTEX_INITIALIZER;
static int64_t fork_generation;

void snn_pool_lock(void) { pthread_mutex_lock(&pool_mutex); }
void snn_pool_unlock(void) { pthread_mutex_unlock(&pool_mutex); }
void snn_pool_wait(void) { pthread_cond_wait(&pool_condition, &pool_mutex); }
void snn_pool_wake_all(void) { pthread_cond_broadcast(&pool_condition); }
void snn_cache_lock(void) { pthread_mutex_lock(&cache_mutex); }
void snn_cache_unlock(void) { pthread_mutex_unlock(&cache_mutex); }
void snn_allocator_lock(void) { pthread_mutex_lock(&allocator_mutex); }
void snn_allocator_unlock(void) { pthread_mutex_unlock(&allocator_mutex); }
int64_t snn_fork_generation(void) { return __atomic_load_n(&fork_generation, __ATOMIC_ACQUIRE); }

void snn_pool_before_fork(void); /* in Swift: ThreadPool.swift */
static void before_fork(void) {
    snn_pool_before_fork();
    snn_pool_lock();
    snn_cache_lock();
    snn_allocator_lock();
}
static void after_fork_in_parent(void) {
    snn_allocator_unlock();
    snn_cache_unlock();
    snn_pool_unlock();
}
/* The child has the forking thread alone: new condition (its waiters are gone), and the pool starts again from nothing. */
static void after_fork_in_child(void) {
    static const pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;
    memcpy(&pool_condition, &fresh, sizeof fresh);
    fork_generation++;
    snn_allocator_unlock();
    snn_cache_unlock();
    snn_pool_unlock();
}
__attribute__((constructor)) static void register_fork_handlers(void) {
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* What Swift allocates by itself, the contexts of closures and small buffers, ends in a trap where there is no memory. The linker sends
 * its requests (--wrap in Package.swift) here, and those that the system refuses are served from a reserve: they are small and live as long
 * as a call, so that a call comes as far as asking for memory that it can be refused. */
enum { RESERVE_SLOTS = 128, RESERVE_SLOT = 4096 };
static _Alignas(64) char reserve[RESERVE_SLOTS][RESERVE_SLOT];
static int64_t reserve_taken[RESERVE_SLOTS];

/* weak: a program linked without --wrap has neither, and calls neither of the two below */
__attribute__((weak)) int __real_posix_memalign(void **block, size_t alignment, size_t size);
__attribute__((weak)) void __real_free(void *block);

int __wrap_posix_memalign(void **block, size_t alignment, size_t size) {
    int failed = __real_posix_memalign(block, alignment, size);
    if (!failed || size > RESERVE_SLOT || alignment > 64) return failed;
    for (int i = 0; i < RESERVE_SLOTS; i++) {
        if (!snn_atomic_compare_exchange(&reserve_taken[i], 0, 1)) continue;
        *block = reserve[i];
        return 0;
    }
    return failed;
}

void __wrap_free(void *block) {
    if ((uintptr_t)block - (uintptr_t)reserve >= sizeof reserve) __real_free(block);
    else snn_atomic_store(&reserve_taken[((uintptr_t)block - (uintptr_t)reserve) / RESERVE_SLOT], 0);
}

static void *worker_entry(void *index) {
    snn_set_float_mode(SNN_FLOAT_MODE); /* a thread inherits that of the one that starts it */
    snn_worker_main((int64_t)(intptr_t)index);
    return NULL;
}
int snn_start_worker(int64_t index) {
    pthread_t thread;
    pthread_attr_t attributes;
    int failed = pthread_attr_init(&attributes);
    if (failed) return failed;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 1 << 20);
    failed = pthread_create(&thread, &attributes, worker_entry, (void *)(intptr_t)index);
    pthread_attr_destroy(&attributes);
    return failed;
}

int64_t snn_coarse_time(void) {
    struct timespec now;
#ifdef CLOCK_MONOTONIC_COARSE
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#else
    clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t snn_core_count(const char *root) {
    cpu_set_t allowed, cores; /* of a core, the hyper-thread that its list names first */
    CPU_ZERO(&allowed);
    CPU_ZERO(&cores);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) == 0) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        return n > 0 ? n : 1;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed)) continue;
        char path[700], text[64];
        int first = cpu;
        snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", root, cpu);
        int file = snn_open_read(path);
        if (file >= 0) {
            ssize_t n = read(file, text, sizeof text - 1);
            close(file);
            text[n > 0 ? n : 0] = 0;
            if (sscanf(text, "%d", &first) != 1 || first < 0 || first >= CPU_SETSIZE) first = cpu;
        }
        CPU_SET(first, &cores);
    }
    return CPU_COUNT(&cores);
}

/* The quota that a folder of cgroups sets, in CPUs: "quota period" in one file of version 2, two files of version 1; "max" or -1: none. */
static int64_t folder_cpus(const char *folder, int version) {
    char path[1100], text[64];
    long long quota = 0, period = 0;
    const char *const names[] = {"cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.max"};
    for (int i = version == 2 ? 2 : 0; i < (version == 2 ? 3 : 2); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        int file = snn_open_read(path);
        if (file < 0) return 0;
        ssize_t n = read(file, text, sizeof text - 1);
        close(file);
        text[n > 0 ? n : 0] = 0;
        if (i == 2) sscanf(text, "%lld %lld", &quota, &period);
        else sscanf(text, "%lld", i ? &period : &quota);
    }
    return quota > 0 && period > 0 ? (quota + period - 1) / period : 0;
}

/* The tightest quota from a group to the root of its hierarchy. A container sees its own group as the root. */
static int64_t group_cpus(const char *mount, const char *group, int version) {
    char folder[1000];
    size_t root = strlen(mount);
    if (root + strlen(group) >= sizeof folder) return 0;
    snprintf(folder, sizeof folder, "%s%s", mount, group);
    int64_t least = 0;
    for (;;) {
        int64_t cpus = folder_cpus(folder, version);
        if (cpus > 0 && (!least || cpus < least)) least = cpus;
        char *last = strrchr(folder + root, '/');
        if (!last) return least;
        *last = 0;
    }
}

int64_t snn_cgroup_cpus(const char *root) {
    /* Lines "hierarchy:controllers:group"; that of version 2 has no controllers. */
    static const char *const mounts[] = {"", "/unified", "/cpu", "/cpu,cpuacct"};
    char path[600], line[900];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    int64_t least = 0;
    while (fgets(line, sizeof line, file)) {
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = 0;
        group[strcspn(group, "\n")] = 0;
        controllers++;
        int version = *controllers ? 1 : 2, has_cpu = version == 2;
        for (char *rest = controllers, *word; (word = strsep(&rest, ","));) has_cpu |= strcmp(word, "cpu") == 0;
        for (int i = 2 * (version == 1); has_cpu && i < 2 * (version == 1) + 2; i++) {
            snprintf(path, sizeof path, "%s/sys/fs/cgroup%s", root, mounts[i]);
            int64_t cpus = group_cpus(path, group, version);
            if (cpus > 0 && (!least || cpus < least)) least = cpus;
        }
    }
    fclose(file);
    return least;
}

int64_t snn_detect_cpu(void) {
    int64_t levels = 1;
#if defined(__aarch64__)
    levels = 8;
#elif defined(__x86_64__)
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return levels;
    if (!(c & bit_OSXSAVE)) return levels;
    unsigned xcr0_low, xcr0_high;
    __asm__("xgetbv" : "=a"(xcr0_low), "=d"(xcr0_high) : "c"(0));
    /* x86-64-v3: AVX AVX2 BMI1 BMI2 F16C FMA LZCNT MOVBE, and the system saves ymm */
    const unsigned v3_c = bit_AVX | bit_FMA | bit_F16C | bit_MOVBE;
    if ((xcr0_low & 0x6) != 0x6 || (c & v3_c) != v3_c) return levels;
    unsigned b7, c7, d7;
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return levels;
    const unsigned v3_b = bit_AVX2 | bit_BMI | bit_BMI2;
    if ((b7 & v3_b) != v3_b) return levels;
    if (!__get_cpuid(0x80000001, &a, &b, &c, &d) || !(c & bit_LZCNT)) return levels;
    levels |= 2;
    /* x86-64-v4: AVX-512 F BW CD DQ VL, and the system saves zmm and opmask */
    const unsigned v4 = bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;
    if ((xcr0_low & 0xe6) == 0xe6 && (b7 & v4) == v4) levels |= 4;
#endif
    return levels;
}
