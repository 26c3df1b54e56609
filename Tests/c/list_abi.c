/* list_abi.c: prints the layout of every structure of swiftnn.h, for check_abi.py: "field STRUCT FIELD OFFSET SIZE KIND" in order. */
#include <stdio.h>

#include "swiftnn.h"

#define FIELD(type, name, kind) printf("field " #type " " #name " %zu %zu " kind "\n", offsetof(type, name), sizeof(((type *)0)->name));
#define IN(n) LISTED(n, "IN")
#define OPT(n) LISTED(n, "OPT")
#define NUM(n) LISTED(n, "NUM")
#define INDEX(n) LISTED(n, "INDEX")
#define OPTINDEX(n) LISTED(n, "OPTINDEX")
#define MASK(n) LISTED(n, "MASK")
#define ARRAYS(n) LISTED(n, "ARRAYS") LISTED(n##_count, "count")
#define WRITES(n) LISTED(n, "WRITES") LISTED(n##_count, "count")
#define OUT(n) LISTED(n, "OUT")
#define OPTOUT(n) LISTED(n, "OPTOUT")
#define INT(n) LISTED(n, "INT")
#define INTS(n) LISTED(n, "INTS") LISTED(n##_count, "count")
#define REAL(n) LISTED(n, "REAL")
#define LISTED(field, kind) \
    printf("field %s %s %zu %zu %s\n", structure, #field, offsetof(OPERATION, field), sizeof(((OPERATION *)0)->field), kind);

#define SNN_OP(name, fields) \
    static void list_##name(void) \
    { \
        typedef snn_##name##_args OPERATION; \
        const char *structure = "snn_" #name "_args"; \
        fields \
    }
#include "ops.def"
#undef SNN_OP

int main(void)
{
    FIELD(snn_array, data, "void *")
    FIELD(snn_array, dtype, "int32_t")
    FIELD(snn_array, ndim, "int32_t")
    FIELD(snn_array, shape, "int64_t[]")
    FIELD(snn_array, strides, "int64_t[]")
    FIELD(snn_array, cache, "snn_cache *")
    FIELD(snn_array, version, "int64_t")
    printf("size snn_array %zu\n", sizeof(snn_array));
#define SNN_OP(name, fields) list_##name();
#include "ops.def"
    return 0;
}
