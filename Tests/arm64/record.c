/* record.c: a library that, preloaded, writes every successful call of an operation into the file $SNN_RECORD, for replay.c; where
 * $SNN_RECORD_MOST is given, only calls of at most so many bytes.
 *
 * It stands before libSwiftNN.so ($SNN_LIBRARY), which it calls itself. A record: the operation's number in ops.def, then its fields in row
 * order, all of int64 but the elements: an array as 0 where it is absent, else 1, dtype, ndim, shape and elements in C order; INT; REAL; INTS
 * as count and numbers; ARRAYS and WRITES as count and arrays; then what came out: every OUT, OPTOUT and the arrays of every WRITES.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operations.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *file;
static void *library;
static char *bytes;
static size_t used, room, most = SIZE_MAX;

static void put(const void *p, size_t n)
{
    if (used + n > room) {
        room = 2 * (used + n);
        bytes = realloc(bytes, room);
        if (!bytes) abort();
    }
    memcpy(bytes + used, p, n);
    used += n;
}

static void put_number(int64_t n) { put(&n, sizeof n); }

static void put_elements(const char *p, const snn_array *a, int axis)
{
    if (axis == a->ndim) put(p, snn_itemsize(a->dtype));
    else
        for (int64_t i = 0; i < a->shape[axis]; i++) put_elements(p + i * a->strides[axis], a, axis + 1);
}

static void put_array(const snn_array *a)
{
    put_number(a && a->ndim >= 0);
    if (!a || a->ndim < 0) return;
    put_number(a->dtype);
    put_number(a->ndim);
    for (int i = 0; i < a->ndim; i++) put_number(a->shape[i]);
    put_elements(a->data, a, 0);
}

static void put_arrays(const snn_array *a, int64_t count)
{
    for (int64_t i = 0; i < count; i++) put_array(&a[i]);
}

static const snn_test_operation *begin(int64_t number)
{
    if (!file) {
        const char *path = getenv("SNN_RECORD"), *name = getenv("SNN_LIBRARY");
        library = name ? dlopen(name, RTLD_NOW) : NULL;
        file = path ? fopen(path, "ab") : NULL;
        if (getenv("SNN_RECORD_MOST")) most = strtoull(getenv("SNN_RECORD_MOST"), NULL, 10);
        if (!file || !library) {
            fprintf(stderr, "record: SNN_RECORD has to name a file, SNN_LIBRARY libSwiftNN.so\n");
            abort();
        }
    }
    return snn_test_operation_at(number);
}

static snn_status call(int64_t number, const char *symbol, const void *args)
{
    pthread_mutex_lock(&lock);
    const snn_test_operation *operation = begin(number);
    used = 0;
    put_number(number);
    const int64_t *slot = args;
    for (int64_t i = 0; i < operation->field_count; i++) {
        const snn_array *array = (const snn_array *)(intptr_t)*slot;
        switch (operation->fields[i].kind) {
        case SNN_TEST_INT: case SNN_TEST_REAL: put_number(*slot++); break;
        case SNN_TEST_OUT: case SNN_TEST_OPTOUT: put_number(*slot++ != 0); break;
        case SNN_TEST_INTS:
            put_number(slot[1]);
            put((const void *)array, 8 * (size_t)slot[1]);
            slot += 2;
            break;
        case SNN_TEST_ARRAYS: case SNN_TEST_WRITES:
            put_number(slot[1]);
            put_arrays(array, slot[1]);
            slot += 2;
            break;
        default: put_array(array); slot++;
        }
    }
    snn_status (*function)(const void *) = (snn_status(*)(const void *))dlsym(library, symbol);
    snn_status status = function(args);
    int computed = status == SNN_OK;
    slot = args;
    for (int64_t i = 0; i < operation->field_count; i++) {
        const snn_array *array = (const snn_array *)(intptr_t)*slot++;
        switch (operation->fields[i].kind) {
        case SNN_TEST_OUT: case SNN_TEST_OPTOUT:
            if (!array) break;
            computed = computed && array->data; /* the call that only asks for shapes leaves NULL */
            if (computed) put_array(array);
            break;
        case SNN_TEST_WRITES: put_arrays(array, *slot++); break;
        case SNN_TEST_ARRAYS: case SNN_TEST_INTS: slot++; break;
        default: break;
        }
    }
    if (computed && used <= most && (fwrite(bytes, 1, used, file) != used || fflush(file))) abort();
    pthread_mutex_unlock(&lock);
    return status;
}

enum {
#define SNN_OP(name, row) number_of_##name,
#include "ops.def"
#undef SNN_OP
};
#define SNN_OP(name, row) \
    snn_status snn_##name(const snn_##name##_args *args) { return call(number_of_##name, "snn_" #name, args); }
#include "ops.def"
