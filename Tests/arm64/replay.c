/* replay.c: repeats the calls that record.c wrote, and compares every bit of what comes out.
 *
 *     replay FILE THREADS...
 *
 * IEEE leaves a NaN's sign and digits open and machines choose differently, so a NaN equals any other. Every second call's inputs lie off the
 * alignment of vectors. The last line counts; the status is 0 where nothing differs.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operations.h"

enum { MOST_FIELDS = 64, MOST_ARRAYS = 4096 };

static FILE *file;
static int64_t calls, arrays, different, shift;
static void *owned[3 * MOST_ARRAYS];
static int owned_count;

static void *keep(size_t n)
{
    void *p = calloc(1, n ? n : 1);
    if (!p || owned_count == 3 * MOST_ARRAYS) exit(fprintf(stderr, "replay: no memory\n"));
    return owned[owned_count++] = p;
}

static void get(void *p, size_t n)
{
    if (n && fread(p, n, 1, file) != 1) exit(fprintf(stderr, "replay: the file ends inside a call\n"));
}

static int64_t get_number(void)
{
    int64_t n;
    get(&n, sizeof n);
    return n;
}

static void get_array(snn_array *a)
{
    memset(a, 0, sizeof *a);
    a->ndim = -1;
    if (!get_number()) return;
    a->dtype = (int32_t)get_number();
    a->ndim = (int32_t)get_number();
    for (int i = 0; i < a->ndim; i++) a->shape[i] = get_number();
    int64_t stride = (int64_t)snn_itemsize(a->dtype);
    for (int i = a->ndim; i-- > 0; stride *= a->shape[i]) a->strides[i] = stride;
    size_t item = snn_itemsize(a->dtype);
    a->data = (char *)keep(snn_nbytes(a) + item) + (shift ? item : 0);
    get(a->data, snn_nbytes(a));
}

static int same(const snn_array *a, const snn_array *b)
{
    if (a->dtype != b->dtype || a->ndim != b->ndim || memcmp(a->shape, b->shape, 8 * (size_t)a->ndim)) return 0;
    size_t n = snn_nbytes(a) / snn_itemsize(a->dtype);
    for (size_t i = 0; i < n; i++) {
        if (a->dtype == SNN_FLOAT32) {
            const float *p = (const float *)a->data + i, *q = (const float *)b->data + i;
            if (memcmp(p, q, 4) && !(isnan(*p) && isnan(*q))) return 0;
        } else if (a->dtype == SNN_FLOAT64) {
            const double *p = (const double *)a->data + i, *q = (const double *)b->data + i;
            if (memcmp(p, q, 8) && !(isnan(*p) && isnan(*q))) return 0;
        } else if (memcmp((const char *)a->data + i * snn_itemsize(a->dtype), (const char *)b->data + i * snn_itemsize(a->dtype), snn_itemsize(a->dtype))) {
            return 0;
        }
    }
    return 1;
}

static void report(const snn_test_operation *operation, const snn_test_field *field, const snn_array *got, const snn_array *wanted)
{
    if (++different > 40) return;
    printf("call %lld, %s: %s has other bits", (long long)calls, operation->name, field->name);
    if (got->dtype == wanted->dtype && snn_nbytes(got) == snn_nbytes(wanted) && got->dtype <= SNN_FLOAT64) {
        double largest = 0, off = 0;
        for (size_t i = 0; i < snn_nbytes(got) / snn_itemsize(got->dtype); i++) {
            double x = got->dtype ? ((double *)got->data)[i] : ((float *)got->data)[i];
            double y = got->dtype ? ((double *)wanted->data)[i] : ((float *)wanted->data)[i];
            if (fabs(y) > largest) largest = fabs(y);
            if (!(fabs(x - y) <= off)) off = fabs(x - y);
        }
        printf(": %g of %g", off, largest);
    }
    printf("\n");
}

static void compare(const snn_test_operation *operation, const snn_test_field *field, const snn_array *got)
{
    snn_array wanted;
    get_array(&wanted);
    arrays++;
    if (!same(got, &wanted)) report(operation, field, got, &wanted);
}

static void replay(int64_t number)
{
    const snn_test_operation *operation = snn_test_operation_at(number);
    int64_t slots[2 * MOST_FIELDS];
    int64_t *slot = slots;
    snn_array *results[MOST_FIELDS] = {0};
    for (int64_t i = 0; i < operation->field_count; i++) {
        switch (operation->fields[i].kind) {
        case SNN_TEST_INT: case SNN_TEST_REAL: *slot++ = get_number(); break;
        case SNN_TEST_OUT: case SNN_TEST_OPTOUT:
            results[i] = get_number() ? keep(sizeof(snn_array)) : NULL;
            *slot++ = (intptr_t)results[i];
            break;
        case SNN_TEST_INTS: {
            int64_t count = get_number();
            void *numbers = keep(8 * (size_t)count);
            get(numbers, 8 * (size_t)count);
            *slot++ = (intptr_t)numbers;
            *slot++ = count;
            break;
        }
        case SNN_TEST_ARRAYS: case SNN_TEST_WRITES: {
            int64_t count = get_number();
            snn_array *list = keep(sizeof(snn_array) * (size_t)count);
            for (int64_t k = 0; k < count; k++) get_array(&list[k]);
            *slot++ = (intptr_t)list;
            *slot++ = count;
            break;
        }
        default: {
            snn_array *array = keep(sizeof(snn_array));
            get_array(array);
            *slot++ = array->ndim < 0 ? 0 : (intptr_t)array;
        }
        }
    }
    int outs = 0;
    for (int64_t i = 0; i < operation->field_count; i++) outs += results[i] != NULL;
    snn_status status = outs ? operation->call(slots) : SNN_OK; /* shapes */
    for (int64_t i = 0; i < operation->field_count && status == SNN_OK; i++)
        if (results[i]) results[i]->data = snn_allocate(snn_nbytes(results[i]));
    if (status == SNN_OK) status = operation->call(slots);
    if (status != SNN_OK) exit(fprintf(stderr, "replay: call %lld, %s: %s\n", (long long)calls, operation->name, snn_last_error()));
    slot = slots;
    for (int64_t i = 0; i < operation->field_count; i++) {
        const snn_array *list = (const snn_array *)(intptr_t)*slot++;
        switch (operation->fields[i].kind) {
        case SNN_TEST_OUT: case SNN_TEST_OPTOUT:
            if (!results[i]) break;
            compare(operation, &operation->fields[i], results[i]);
            snn_free(results[i]->data);
            break;
        case SNN_TEST_WRITES:
            for (int64_t k = 0, count = *slot++; k < count; k++) {
                if (list[k].ndim >= 0) compare(operation, &operation->fields[i], &list[k]);
                else get_number();
            }
            break;
        case SNN_TEST_ARRAYS: case SNN_TEST_INTS: slot++; break;
        default: break;
        }
    }
    for (int i = 0; i < owned_count; i++) free(owned[i]);
    owned_count = 0;
    calls++;
    shift = !shift;
}

int main(int argc, char **argv)
{
    if (argc < 3) return fprintf(stderr, "usage: replay FILE THREADS...\n"), 2;
    for (int i = 2; i < argc; i++) {
        file = fopen(argv[1], "rb");
        if (!file) return perror(argv[1]), 2;
        if (snn_initialize() != SNN_OK || snn_set_num_threads(atoi(argv[i])) != SNN_OK) return fprintf(stderr, "replay: %s\n", snn_last_error()), 2;
        int64_t number;
        while (fread(&number, sizeof number, 1, file) == 1) replay(number);
        fclose(file);
    }
    printf("%s: %lld calls, %lld arrays compared, %lld with other bits\n", snn_isa(), (long long)calls, (long long)arrays, (long long)different);
    return different > 0 || calls == 0;
}
