/* operations.h: ops.def as a table, so that Swift tests can call every operation without naming it. */
#ifndef SWIFTNN_TEST_OPERATIONS_H
#define SWIFTNN_TEST_OPERATIONS_H

#include <stdint.h>

#include "swiftnn.h"

typedef enum snn_test_kind {
    SNN_TEST_IN, SNN_TEST_OPT, SNN_TEST_NUM, SNN_TEST_INDEX, SNN_TEST_OPTINDEX, SNN_TEST_MASK, SNN_TEST_ARRAYS, SNN_TEST_WRITES, SNN_TEST_OUT,
    SNN_TEST_OPTOUT, SNN_TEST_INT, SNN_TEST_INTS, SNN_TEST_REAL,
} snn_test_kind;

/* A field fills one 8-byte slot of the argument struct, ARRAYS, WRITES and INTS two (pointer and count). */
typedef struct snn_test_field {
    snn_test_kind kind;
    const char *name;
} snn_test_field;

typedef struct snn_test_operation {
    const char *name;
    const snn_test_field *fields;
    int64_t field_count;
    int64_t size; /* of the argument struct, in bytes */
    snn_status (*call)(const void *args);
} snn_test_operation;

int64_t snn_test_operation_count(void);
const snn_test_operation *snn_test_operation_at(int64_t i);

#endif
