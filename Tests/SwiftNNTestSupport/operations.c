#include "operations.h"

#define IN(n) {SNN_TEST_IN, #n},
#define OPT(n) {SNN_TEST_OPT, #n},
#define NUM(n) {SNN_TEST_NUM, #n},
#define INDEX(n) {SNN_TEST_INDEX, #n},
#define OPTINDEX(n) {SNN_TEST_OPTINDEX, #n},
#define MASK(n) {SNN_TEST_MASK, #n},
#define ARRAYS(n) {SNN_TEST_ARRAYS, #n},
#define WRITES(n) {SNN_TEST_WRITES, #n},
#define OUT(n) {SNN_TEST_OUT, #n},
#define OPTOUT(n) {SNN_TEST_OPTOUT, #n},
#define INT(n) {SNN_TEST_INT, #n},
#define INTS(n) {SNN_TEST_INTS, #n},
#define REAL(n) {SNN_TEST_REAL, #n},
#define SNN_OP(name, row) \
    static const snn_test_field name##_fields[] = {row}; \
    static snn_status name##_call(const void *args) { return snn_##name(args); }
#include "ops.def"
#undef SNN_OP

#define SNN_OP(name, row) \
    {#name, name##_fields, sizeof name##_fields / sizeof name##_fields[0], sizeof(snn_##name##_args), name##_call},
static const snn_test_operation operations[] = {
#include "ops.def"
};

int64_t snn_test_operation_count(void) { return sizeof operations / sizeof operations[0]; }
const snn_test_operation *snn_test_operation_at(int64_t i) { return &operations[i]; }
