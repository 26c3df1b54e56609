/* The binding between NumPy and the C ABI of swiftnn.h, made from the rows of ops.def: adding an operation never edits this file.
 *
 * Life of a call: collect (arguments into the slots of the argument struct, arrays and Parameters into entries) -> call_type (float32 or
 * float64) -> place (ndarray memory described to the library, converted only where it must be) -> compute: a tiny operation allocates its
 * results and computes in one call; else a first call with OUT data NULL checks and says the shapes, results get the library's own
 * memory, and a second call without the GIL computes.
 *
 * Built once against the limited API of CPython 3.10 and NumPy's 1.23 API: the same file serves every later version of both. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define NPY_NO_DEPRECATED_API NPY_1_23_API_VERSION
#include <numpy/arrayobject.h>

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "swiftnn.h"

/* A call that touches fewer bytes than this keeps the GIL: letting go and taking it back would cost more than the work. */
#define GIL_MINSIZE 32768
/* Arrays that a call describes on the C stack; a deep recurrent network has more weights and takes them to the heap. */
#define STACK_ENTRIES 48
#define MAX_INTS 64 /* entries of one INTS argument */

/* ---- the rows of ops.def ---- */

typedef enum {
    KIND_IN, KIND_OPT, KIND_NUM, KIND_INDEX, KIND_OPTINDEX, KIND_MASK, KIND_ARRAYS, KIND_WRITES, KIND_OUT, KIND_OPTOUT, KIND_INT,
    KIND_INTS, KIND_REAL,
} field_kind;

static const char *const kind_names[] = {
    "IN", "OPT", "NUM", "INDEX", "OPTINDEX", "MASK", "ARRAYS", "WRITES", "OUT", "OPTOUT", "INT", "INTS", "REAL",
};

typedef struct {
    field_kind kind;
    const char *name;
} field_row;

typedef struct {
    const char *name;
    const field_row *fields;
    int n_fields;
    int n_args;   /* fields that Python passes: all but OUT */
    int n_arrays; /* array fields, ARRAYS not counted */
    int n_outs;   /* OUT and OPTOUT */
    bool writes;  /* has WRITES */
    snn_status (*call)(const void *args);
} op_row;

/* One 8-byte member of an argument struct. */
typedef union {
    const void *p;
    int64_t i;
    double d;
} slot;

#define IN(n) {KIND_IN, #n},
#define OPT(n) {KIND_OPT, #n},
#define NUM(n) {KIND_NUM, #n},
#define INDEX(n) {KIND_INDEX, #n},
#define OPTINDEX(n) {KIND_OPTINDEX, #n},
#define MASK(n) {KIND_MASK, #n},
#define ARRAYS(n) {KIND_ARRAYS, #n},
#define WRITES(n) {KIND_WRITES, #n},
#define OUT(n) {KIND_OUT, #n},
#define OPTOUT(n) {KIND_OPTOUT, #n},
#define INT(n) {KIND_INT, #n},
#define INTS(n) {KIND_INTS, #n},
#define REAL(n) {KIND_REAL, #n},
#define SNN_OP(name, fields) static const field_row name##_fields[] = {fields};
#include "ops.def"
#undef SNN_OP
#undef IN
#undef OPT
#undef NUM
#undef INDEX
#undef OPTINDEX
#undef MASK
#undef ARRAYS
#undef WRITES
#undef OUT
#undef OPTOUT
#undef INT
#undef INTS
#undef REAL

/* Counts as constant expressions: name_slots, name_args, name_arrays, name_outs, name_ints, name_writes. */
#define COUNT(slots, args, arrays, outs, ints) +(slots + 100 * (args) + 10000 * (arrays) + 1000000 * (outs) + 100000000 * (ints))
#define IN(n) COUNT(1, 1, 1, 0, 0)
#define OPT(n) COUNT(1, 1, 1, 0, 0)
#define NUM(n) COUNT(1, 1, 1, 0, 0)
#define INDEX(n) COUNT(1, 1, 1, 0, 0)
#define OPTINDEX(n) COUNT(1, 1, 1, 0, 0)
#define MASK(n) COUNT(1, 1, 1, 0, 0)
#define ARRAYS(n) COUNT(2, 1, 0, 0, 0)
#define WRITES(n) COUNT(2, 1, 0, 0, 0) + 10000000000
#define OUT(n) COUNT(1, 0, 0, 1, 0)
#define OPTOUT(n) COUNT(1, 1, 0, 1, 0)
#define INT(n) COUNT(1, 1, 0, 0, 0)
#define INTS(n) COUNT(2, 1, 0, 0, 1)
#define REAL(n) COUNT(1, 1, 0, 0, 0)
#define SNN_OP(name, fields) \
    enum { \
        name##_count = 0 fields, name##_slots = name##_count % 100, name##_args = name##_count / 100 % 100, \
        name##_arrays = name##_count / 10000 % 100, name##_outs = name##_count / 1000000 % 100, name##_ints = name##_count / 100000000 % 100, \
        name##_writes = name##_count / 10000000000 \
    };
#include "ops.def"
#undef SNN_OP

#define MAX_SLOTS 40
#define MAX_OUTS 8
#define MAX_INTS_FIELDS 6
/* The generic filling below is right only while every member takes whole 8-byte slots in row order. */
#define SNN_OP(name, fields) \
    _Static_assert(sizeof(snn_##name##_args) == 8 * name##_slots, #name ": argument struct is not made of 8-byte slots"); \
    _Static_assert(name##_slots <= MAX_SLOTS && name##_outs <= MAX_OUTS && name##_ints <= MAX_INTS_FIELDS, #name ": raise the limits"); \
    _Static_assert(name##_arrays <= STACK_ENTRIES, #name ": raise STACK_ENTRIES");
#include "ops.def"
#undef SNN_OP
#undef IN
#undef OPT
#undef NUM
#undef INDEX
#undef OPTINDEX
#undef MASK
#undef ARRAYS
#undef WRITES
#undef OUT
#undef OPTOUT
#undef INT
#undef INTS
#undef REAL
_Static_assert(sizeof(void *) == 8 && sizeof(slot) == 8, "swiftnn needs a 64-bit machine");

/* ---- module-wide state (one interpreter: NumPy cannot be loaded into a second one either) ---- */

static PyObject *tensor_base;                                                /* TensorBase */
static PyObject *tensor_type, *parameter_type, *tensor_apply, *shape_error; /* from _setup */
static PyObject *handler_capsule, *numpy_module;
static uint64_t input_copies;

/* Interned attribute names: a fresh string for each look-up would fill the type cache of the interpreter. */
static PyObject *str_shape, *str_ndim, *str_dtype, *str_name, *str_type, *str_array, *str_array_interface, *str_array_struct, *str_dlpack;
static PyObject *str_numpy_ma, *str_forward, *str_forward_hooks, *str_forward_pre_hooks, *str_call_with_hooks;
static const struct {
    PyObject **place;
    const char *text;
} strings[] = {
    {&str_shape, "shape"}, {&str_ndim, "ndim"}, {&str_dtype, "dtype"}, {&str_name, "__name__"}, {&str_type, "type"}, {&str_array, "__array__"}, {&str_dlpack, "__dlpack__"},
    {&str_array_interface, "__array_interface__"}, {&str_array_struct, "__array_struct__"}, {&str_numpy_ma, "numpy.ma"},
    {&str_forward, "forward"}, {&str_forward_hooks, "_forward_hooks"}, {&str_forward_pre_hooks, "_forward_pre_hooks"},
    {&str_call_with_hooks, "_call_with_hooks"},
};

/* ---- memory of the results (NEP 49) ---- */

static void *handler_malloc(void *Py_UNUSED(ctx), size_t size) { return snn_allocate(size ? size : 1); }

static void *handler_calloc(void *Py_UNUSED(ctx), size_t n, size_t item)
{
    size_t size;
    if (__builtin_mul_overflow(n, item, &size)) return NULL;
    void *block = snn_allocate(size ? size : 1);
    return block ? memset(block, 0, size) : NULL;
}

static void handler_free(void *Py_UNUSED(ctx), void *block, size_t Py_UNUSED(size))
{
    if (block) snn_free(block);
}

static void *handler_realloc(void *ctx, void *block, size_t size)
{
    if (!block) return handler_malloc(ctx, size);
    size_t held = snn_allocated_size(block);
    if (size <= held) return block;
    void *grown = snn_allocate(size);
    if (!grown) return NULL;
    memcpy(grown, block, held);
    snn_free(block);
    return grown;
}

static PyDataMem_Handler handler = {
    .name = "swiftnn",
    .version = 1,
    .allocator = {.malloc = handler_malloc, .calloc = handler_calloc, .realloc = handler_realloc, .free = handler_free},
};

static const int npy_of_snn[] = {
    [SNN_FLOAT32] = NPY_FLOAT, [SNN_FLOAT64] = NPY_DOUBLE, [SNN_INT64] = NPY_INT64, [SNN_INT32] = NPY_INT32,
    [SNN_INT16] = NPY_INT16, [SNN_INT8] = NPY_INT8, [SNN_UINT8] = NPY_UINT8, [SNN_BOOL] = NPY_BOOL,
};

/* A C-contiguous ndarray that owns `block`, which comes from snn_allocate and is freed on an error. The array is given its handler
 * directly, at the place PyArray_HANDLER reads (checked at import): setting and restoring NumPy's context variable for every result would
 * cost more than a small operation. */
static PyArrayObject *wrap(void *block, int32_t dtype, int32_t ndim, const int64_t *shape)
{
    npy_intp dims[SNN_MAX_DIMS];
    for (int32_t i = 0; i < ndim; i++) dims[i] = (npy_intp)shape[i];
    PyArrayObject *array = (PyArrayObject *)PyArray_NewFromDescr(
        &PyArray_Type, PyArray_DescrFromType(npy_of_snn[dtype]), ndim, dims, NULL, block, NPY_ARRAY_CARRAY, NULL);
    if (!array) return snn_free(block), NULL;
    Py_INCREF(handler_capsule);
    ((PyArrayObject_fields *)array)->mem_handler = handler_capsule;
    PyArray_ENABLEFLAGS(array, NPY_ARRAY_OWNDATA);
    return array;
}

/* A C-contiguous ndarray that owns fresh library memory. */
static PyArrayObject *new_array(int32_t dtype, int32_t ndim, const int64_t *shape)
{
    size_t bytes = snn_itemsize(dtype);
    bool empty = false, overflow = false;
    for (int32_t i = 0; i < ndim; i++) {
        if (shape[i] < 0) return PyErr_SetString(PyExc_ValueError, "a result would have a negative size"), NULL;
        empty |= shape[i] == 0;
        overflow |= __builtin_mul_overflow(bytes, (size_t)(shape[i] ? shape[i] : 1), &bytes);
    }
    if (overflow || bytes > PY_SSIZE_T_MAX) return (PyArrayObject *)PyErr_NoMemory();
    void *block = snn_allocate(empty ? 1 : bytes);
    if (!block) return PyErr_Format(PyExc_MemoryError, "cannot allocate %zu bytes for a result", bytes), NULL;
    return wrap(block, dtype, ndim, shape);
}

/* new_array writes the handler where this build's headers say it is; ask NumPy to put one there and look. */
static int check_handler_place(void)
{
    npy_intp one = 1;
    PyObject *before = PyDataMem_SetHandler(handler_capsule);
    if (!before) return -1;
    PyArrayObject *probe = (PyArrayObject *)PyArray_EMPTY(1, &one, NPY_FLOAT, 0);
    PyObject *ours = PyDataMem_SetHandler(before);
    Py_DECREF(before);
    Py_XDECREF(ours);
    if (!probe || !ours) return Py_XDECREF(probe), -1;
    bool found = PyArray_HANDLER(probe) == handler_capsule;
    Py_DECREF(probe);
    if (!found) PyErr_SetString(PyExc_ImportError, "this NumPy keeps an array's memory handler elsewhere; swiftnn needs NumPy 1.24 to 2.x");
    return found ? 0 : -1;
}

/* What NumPy allocates meanwhile comes from the same cache as results: fresh pages cost large arrays more than the arithmetic. */
static PyObject *call_with_memory(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *function, *arguments, *keywords = NULL;
    if (!PyArg_ParseTuple(args, "OO!|O!:call_with_memory", &function, &PyTuple_Type, &arguments, &PyDict_Type, &keywords)) return NULL;
    PyObject *before = PyDataMem_SetHandler(handler_capsule);
    if (!before) return NULL;
    PyObject *result = PyObject_Call(function, arguments, keywords);
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *ours = PyDataMem_SetHandler(before);
    Py_DECREF(before);
    if (!ours) {
        Py_CLEAR(result);
        if (type) PyErr_Clear();
    }
    Py_XDECREF(ours);
    if (type) PyErr_Restore(type, value, trace);
    return result;
}

/* ---- errors ---- */

/* "conv" for conv_forward: the name a user of Python knows. */
static const char *op_name(const op_row *op, char buffer[64])
{
    snprintf(buffer, 64, "%s", op->name);
    size_t n = strlen(buffer), tail = strlen("_forward");
    if (n > tail && strcmp(buffer + n - tail, "_forward") == 0) buffer[n - tail] = 0;
    return buffer;
}

/* A field's name in messages: torch's word for the arguments that ops.def abbreviates. */
static const char *field_name(const char *name)
{
    static const char *const words[][2] = {
        {"x", "input"}, {"x1", "input1"}, {"x2", "input2"}, {"q", "query"}, {"k", "key"}, {"v", "value"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(name, words[i][0]) == 0) return words[i][1];
    return name;
}

/* Raises kind("<op>: <message>") and returns -1. */
static int fail(const op_row *op, PyObject *kind, const char *format, ...)
{
    char name[64];
    va_list rest;
    va_start(rest, format);
    PyObject *message = PyUnicode_FromFormatV(format, rest);
    va_end(rest);
    if (!message) return -1;
    PyErr_Format(kind, "%s: %U", op_name(op, name), message);
    Py_DECREF(message);
    return -1;
}

static PyObject *exception_of(snn_status status)
{
    switch (status) {
    case SNN_VALUE_ERROR: return PyExc_ValueError;
    case SNN_TYPE_ERROR: return PyExc_TypeError;
    case SNN_SHAPE_ERROR: return shape_error ? shape_error : PyExc_ValueError;
    case SNN_INDEX_ERROR: return PyExc_IndexError;
    case SNN_MEMORY_ERROR: return PyExc_MemoryError;
    default: return PyExc_RuntimeError;
    }
}

static PyObject *type_name(PyObject *o) { return PyObject_GetAttr((PyObject *)Py_TYPE(o), str_name); }

static void raise_status(snn_status status)
{
    if (status == SNN_INTERRUPTED) return; /* with the signal handler's exception */
    const char *text = snn_last_error();
    PyErr_Format(exception_of(status), "%s", *text ? text : "the operation failed without a message");
}

/* ---- TensorBase: the array of a Tensor, and what operations keep of it ---- */

/* Python code that gets hold of the array may write into it, so every read of `_data` from Python gives it a new version. What was
 * made of a version is good as long as nobody else holds the array: then nothing can have changed unseen. */
typedef struct {
    PyObject_HEAD
    PyObject *data; /* NULL before __init__ */
    snn_cache *cache;
    int64_t version;
} tensor_object;

static int no_data(void)
{
    PyErr_SetString(PyExc_AttributeError, "this Tensor has no data yet; call Tensor.__init__ (super().__init__()) first");
    return -1;
}

/* The error of the Tensor's class: an uninitialised parameter says how it gets its data. */
static int no_data_of(PyObject *self)
{
    PyObject *data = PyObject_GetAttrString(self, "_data");
    if (!data) return -1;
    Py_DECREF(data);
    return no_data();
}

static PyObject *tensor_get_data(PyObject *self, void *Py_UNUSED(closure))
{
    tensor_object *t = (tensor_object *)self;
    if (!t->data) return no_data(), NULL;
    t->version++;
    Py_INCREF(t->data);
    return t->data;
}

static int tensor_set_data(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    tensor_object *t = (tensor_object *)self;
    if (!value) return PyErr_SetString(PyExc_AttributeError, "a Tensor's data cannot be deleted"), -1;
    if (!PyArray_Check(value)) {
        PyErr_Format(PyExc_TypeError, "a Tensor's data must be an ndarray, got %R", (PyObject *)Py_TYPE(value));
        return -1;
    }
    PyObject *before = t->data;
    t->version++;
    Py_INCREF(value);
    t->data = value;
    Py_XDECREF(before);
    return 0;
}

/* Reads that cannot change the array. */
static PyObject *tensor_get_attribute(PyObject *self, void *closure)
{
    PyObject *data = ((tensor_object *)self)->data;
    return data ? PyObject_GetAttr(data, *(PyObject **)closure) : (no_data(), NULL);
}

static void tensor_dealloc(PyObject *self)
{
    tensor_object *t = (tensor_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(t->data);
    snn_cache_free(t->cache);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyGetSetDef tensor_fields[] = {
    {"_data", tensor_get_data, tensor_set_data, "The array, which the caller may change.", NULL},
    {"shape", tensor_get_attribute, NULL, "The sizes of the dimensions.", &str_shape},
    {"ndim", tensor_get_attribute, NULL, "The number of dimensions.", &str_ndim},
    {"dtype", tensor_get_attribute, NULL, "The NumPy element type.", &str_dtype},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot tensor_slots[] = {
    {Py_tp_doc, "What a Tensor is for the operations: an array and a cache for what they make of it."},
    {Py_tp_dealloc, tensor_dealloc},
    {Py_tp_getset, tensor_fields},
    {0, NULL},
};

static PyType_Spec tensor_spec = {
    .name = "swiftnn._native.TensorBase",
    .basicsize = sizeof(tensor_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = tensor_slots,
};

/* Whether the array can be written by nobody but through the Tensor: the only reference, memory of its own. */
static inline bool is_private(PyObject *data)
{
    return Py_REFCNT(data) == 1 && PyArray_CheckExact(data) && PyArray_CHKFLAGS((PyArrayObject *)data, NPY_ARRAY_OWNDATA)
           && PyArray_NDIM((PyArrayObject *)data) >= 2;
}

/* ---- one call ---- */

/* An array argument, or one entry of an ARRAYS argument. */
typedef struct {
    PyObject *object; /* owned; an ndarray once normalised; NULL: absent */
    tensor_object *keeper; /* owned: the Parameter whose cache may be used, or NULL */
    int64_t version; /* of its array: what is made of it belongs to this one, whatever other arguments do to the Parameter meanwhile */
    tensor_object *written; /* owned: the Tensor that is written through, or NULL */
    int16_t field;
    bool parameter; /* came in a Parameter */
    bool untyped;   /* a list or a number: converts to whatever float type the call has */
    int32_t index;  /* place in an ARRAYS argument, or -1 */
} entry;

typedef struct {
    const op_row *op;
    entry *entries;
    snn_array *arrays; /* arrays[k] describes entries[k] */
    Py_ssize_t n, capacity;
    size_t work; /* bytes of all arrays */
    int n_ints, n_outs;
    bool hand_over; /* a Tensor that is no Parameter is among the arguments */
    bool parameter, plain; /* so is a Parameter; and an array that is no Tensor */
    slot slots[MAX_SLOTS];
    snn_array outs[MAX_OUTS];
    bool wanted[MAX_OUTS];
    int64_t ints[MAX_INTS_FIELDS * MAX_INTS];
    entry stack_entries[STACK_ENTRIES];
    snn_array stack_arrays[STACK_ENTRIES];
} call_frame;

static void release(call_frame *c)
{
    for (Py_ssize_t k = 0; k < c->n; k++) {
        Py_XDECREF(c->entries[k].object);
        /* Again after the call: something may have been made of the array while it was written. */
        if (c->entries[k].written) c->entries[k].written->version++;
        Py_XDECREF((PyObject *)c->entries[k].written);
        Py_XDECREF((PyObject *)c->entries[k].keeper);
    }
    if (c->entries != c->stack_entries) {
        PyMem_Free(c->entries);
        PyMem_Free(c->arrays);
    }
}

/* "weight", or "weights[3]" */
static PyObject *entry_name(const call_frame *c, const entry *e)
{
    const char *name = field_name(c->op->fields[e->field].name);
    return e->index < 0 ? PyUnicode_FromString(name) : PyUnicode_FromFormat("%s[%d]", name, (int)e->index);
}

/* What an ndarray's elements are: an SNN dtype, or one of these. */
enum { HALF = 16 /* float16, bfloat16 */, UNSIGNED = 17, UNFIT = 18 };

static int other_dtype(PyArrayObject *array)
{
    PyObject *type = PyObject_GetAttr((PyObject *)PyArray_DESCR(array), str_type);
    PyObject *name = type ? PyObject_GetAttr(type, str_name) : NULL;
    bool bfloat16 = name && PyUnicode_CompareWithASCIIString(name, "bfloat16") == 0;
    Py_XDECREF(type);
    Py_XDECREF(name);
    PyErr_Clear();
    return bfloat16 ? HALF : UNFIT;
}

static inline int dtype_of(PyArrayObject *array)
{
    switch (PyArray_TYPE(array)) {
    case NPY_FLOAT: return SNN_FLOAT32;
    case NPY_DOUBLE: return SNN_FLOAT64;
    case NPY_LONG: return sizeof(long) == 8 ? SNN_INT64 : SNN_INT32;
    case NPY_LONGLONG: return SNN_INT64;
    case NPY_INT: return SNN_INT32;
    case NPY_SHORT: return SNN_INT16;
    case NPY_BYTE: return SNN_INT8;
    case NPY_UBYTE: return SNN_UINT8;
    case NPY_BOOL: return SNN_BOOL;
    case NPY_HALF: return HALF;
    case NPY_USHORT: case NPY_UINT: case NPY_ULONG: case NPY_ULONGLONG: return UNSIGNED;
    default: return other_dtype(array);
    }
}

static int raise_dtype(const call_frame *c, const entry *e, const char *expected)
{
    PyObject *name = entry_name(c, e);
    PyObject *dtype = (PyObject *)PyArray_DESCR((PyArrayObject *)e->object);
    if (name) fail(c->op, PyExc_TypeError, "%U has dtype %S; expected %s", name, dtype, expected);
    Py_XDECREF(name);
    return -1;
}

/* -- collect: arguments into slots and entries; no array is looked at yet -- */

/* Takes a reference to an array-like argument as the next entry, a Parameter as its ndarray. */
static int add_entry(call_frame *c, PyObject *object, int field, int32_t index)
{
    if (c->n == c->capacity) return fail(c->op, PyExc_ValueError, "%s changed its length during the call", c->op->fields[field].name);
    entry *e = &c->entries[c->n];
    *e = (entry){.field = (int16_t)field, .index = index};
    if (object == Py_None) {
        c->n++;
        return 0;
    }
    if (!PyArray_CheckExact(object) && parameter_type) {
        PyTypeObject *type = Py_TYPE(object);
        if (c->op->writes && PyType_IsSubtype(type, (PyTypeObject *)tensor_type)) {
            tensor_object *t = (tensor_object *)object;
            if (!t->data) return no_data_of(object);
            if (c->op->fields[field].kind == KIND_WRITES) {
                t->version++;
                Py_INCREF(object);
                e->written = t;
            }
            Py_INCREF(t->data);
            e->object = t->data;
            c->n++;
            return 0;
        }
        if (type == (PyTypeObject *)parameter_type || PyType_IsSubtype(type, (PyTypeObject *)parameter_type)) {
            tensor_object *t = (tensor_object *)object;
            if (!t->data) return no_data_of(object);
            if (is_private(t->data)) {
                if (!t->cache) t->cache = snn_cache_create();
                Py_INCREF(object); /* from a list it may be gone before the call's end */
                e->keeper = t;
                e->version = t->version;
            }
            Py_INCREF(t->data);
            e->object = t->data;
            e->parameter = c->parameter = true;
            c->n++;
            return 0;
        }
        if (PyType_IsSubtype(type, (PyTypeObject *)tensor_type)) c->hand_over = true;
    }
    c->plain = true;
    Py_INCREF(object);
    e->object = object;
    c->n++;
    return 0;
}

static int add_arrays(call_frame *c, PyObject *sequence, int field)
{
    bool tuple = PyTuple_Check(sequence);
    Py_ssize_t count = tuple ? PyTuple_Size(sequence) : PyList_Size(sequence);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = tuple ? PyTuple_GetItem(sequence, i) : PyList_GetItem(sequence, i);
        if (!item || add_entry(c, item, field, (int32_t)i) < 0) return -1;
    }
    return (int)count;
}

static int get_int(call_frame *c, PyObject *arg, const char *name, int64_t *value)
{
    /* np.bool_ has an __index__ that is about to go */
    if (!PyLong_Check(arg) && PyArray_IsScalar(arg, Bool)) return *value = PyObject_IsTrue(arg), 0;
    long long v = PyLong_AsLongLong(arg);
    if (v == -1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            PyObject *type = type_name(arg);
            if (type) fail(c->op, PyExc_TypeError, "%s must be an int, got %U", name, type);
            Py_XDECREF(type);
        } else if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_Clear();
            fail(c->op, PyExc_OverflowError, "%s does not fit into 64 bits: %R", name, arg);
        }
        return -1;
    }
    *value = v;
    return 0;
}

static int get_real(call_frame *c, PyObject *arg, const char *name, double *value)
{
    *value = PyFloat_AsDouble(arg);
    if (*value == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            PyObject *type = type_name(arg);
            if (type) fail(c->op, PyExc_TypeError, "%s must be a number, got %U", name, type);
            Py_XDECREF(type);
        }
        return -1;
    }
    return 0;
}

static int get_ints(call_frame *c, PyObject *arg, const char *name, slot *s)
{
    int64_t *values = &c->ints[MAX_INTS * c->n_ints++];
    s[0].p = values;
    PyObject *converted = NULL;
    if (!PyTuple_Check(arg) && !PyList_Check(arg)) {
        if (PyLong_Check(arg) || (PyIndex_Check(arg) && !PyArray_Check(arg))) {
            s[1].i = 1;
            return get_int(c, arg, name, values);
        }
        arg = converted = PySequence_Tuple(arg);
        if (!converted) {
            if (!PyErr_ExceptionMatches(PyExc_TypeError)) return -1;
            PyErr_Clear();
            return fail(c->op, PyExc_TypeError, "%s must be an int or a tuple of ints", name);
        }
    }
    bool tuple = PyTuple_Check(arg);
    Py_ssize_t count = tuple ? PyTuple_Size(arg) : PyList_Size(arg);
    int result = 0;
    if (count > MAX_INTS) result = fail(c->op, PyExc_ValueError, "%s has %zd entries; at most %d are possible", name, count, MAX_INTS);
    for (Py_ssize_t i = 0; i < count && result == 0; i++) {
        PyObject *item = tuple ? PyTuple_GetItem(arg, i) : PyList_GetItem(arg, i);
        if (!item) result = -1;
        else {
            Py_INCREF(item); /* __index__ may run code that empties a list */
            result = get_int(c, item, name, &values[i]);
            Py_DECREF(item);
        }
    }
    s[1].i = count;
    Py_XDECREF(converted);
    return result;
}

/* Room for as many entries as the arguments can have. */
static int make_room(call_frame *c, PyObject *const *args)
{
    Py_ssize_t n = c->op->n_arrays;
    for (int f = 0, a = 0; f < c->op->n_fields; f++) {
        field_kind kind = c->op->fields[f].kind;
        if (kind == KIND_OUT) continue;
        if (kind == KIND_ARRAYS || kind == KIND_WRITES) {
            if (PyTuple_Check(args[a])) n += PyTuple_Size(args[a]);
            else if (PyList_Check(args[a])) n += PyList_Size(args[a]);
            else {
                PyObject *type = type_name(args[a]);
                if (type) fail(c->op, PyExc_TypeError, "%s must be a tuple or list of arrays, got %U", c->op->fields[f].name, type);
                Py_XDECREF(type);
                return -1;
            }
        }
        a++;
    }
    if (n > INT32_MAX) return fail(c->op, PyExc_ValueError, "too many arrays");
    c->entries = c->stack_entries;
    c->arrays = c->stack_arrays;
    c->capacity = n;
    if (n <= STACK_ENTRIES) return 0;
    entry *entries = PyMem_Malloc((size_t)n * sizeof *entries);
    snn_array *arrays = PyMem_Malloc((size_t)n * sizeof *arrays);
    if (!entries || !arrays) {
        PyMem_Free(entries);
        PyMem_Free(arrays);
        PyErr_NoMemory();
        return -1;
    }
    c->entries = entries;
    c->arrays = arrays;
    return 0;
}

static int collect(call_frame *c, PyObject *const *args)
{
    slot *s = c->slots;
    for (int f = 0; f < c->op->n_fields; f++) {
        const field_row *field = &c->op->fields[f];
        field_kind kind = field->kind;
        if (kind == KIND_OUT) {
            c->wanted[c->n_outs] = true;
            (s++)->p = &c->outs[c->n_outs++];
            continue;
        }
        PyObject *arg = *args++;
        switch (kind) {
        case KIND_IN: case KIND_NUM: case KIND_INDEX:
            if (arg == Py_None) return fail(c->op, PyExc_TypeError, "%s must be an array, got None", field_name(field->name));
            /* fall through */
        case KIND_OPT: case KIND_OPTINDEX: case KIND_MASK:
            (s++)->p = arg == Py_None ? NULL : &c->arrays[c->n];
            if (add_entry(c, arg, f, -1) < 0) return -1;
            break;
        case KIND_ARRAYS: case KIND_WRITES: {
            s->p = &c->arrays[c->n];
            int count = add_arrays(c, arg, f);
            if (count < 0) return -1;
            s[1].i = count;
            s += 2;
            break;
        }
        case KIND_OPTOUT: {
            int wanted = PyObject_IsTrue(arg);
            if (wanted < 0) return -1;
            c->wanted[c->n_outs] = wanted;
            (s++)->p = wanted ? &c->outs[c->n_outs] : NULL;
            c->n_outs++;
            break;
        }
        case KIND_INT:
            if (get_int(c, arg, field->name, &(s++)->i) < 0) return -1;
            break;
        case KIND_REAL:
            if (get_real(c, arg, field->name, &(s++)->d) < 0) return -1;
            break;
        case KIND_INTS:
            if (get_ints(c, arg, field->name, s) < 0) return -1;
            s += 2;
            break;
        case KIND_OUT: break;
        }
    }
    return 0;
}

/* -- normalise: every entry an ndarray -- */

/* Asks the type first: on the instance the attribute may be a property that does work. */
static bool has_attribute(PyObject *o, PyObject *name)
{
    PyObject *value = PyObject_GetAttr((PyObject *)Py_TYPE(o), name);
    if (!value) {
        PyErr_Clear();
        value = PyObject_GetAttr(o, name);
    }
    if (!value) PyErr_Clear();
    Py_XDECREF(value);
    return value != NULL;
}

static bool has_buffer(PyObject *o)
{
    PyObject *view = PyMemoryView_FromObject(o);
    if (!view) PyErr_Clear();
    Py_XDECREF(view);
    return view != NULL;
}

/* 1 if o is a masked array with a mask that hides something; a MaskedArray can exist only once numpy.ma is loaded. */
static int hides_values(PyObject *o)
{
    PyObject *module = PyImport_GetModule(str_numpy_ma);
    if (!module) return PyErr_Occurred() ? -1 : 0;
    PyObject *answer = PyObject_CallMethod(module, "is_masked", "O", o);
    Py_DECREF(module);
    int hidden = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    return hidden;
}

/* Replaces an entry that is no plain ndarray by its ndarray: subclasses as they are, array protocols without a copy, lists converted. */
static int normalise(call_frame *c, entry *e)
{
    PyObject *o = e->object;
    if (!PyArray_Check(o) && c->op->fields[e->field].kind == KIND_WRITES) {
        PyObject *name = entry_name(c, e), *type = type_name(o);
        if (name && type) fail(c->op, PyExc_TypeError, "%U is written in place and has to be an ndarray or a Tensor, got %U", name, type);
        Py_XDECREF(name);
        Py_XDECREF(type);
        return -1;
    }
    if (PyArray_Check(o)) {
        int hidden = hides_values(o);
        if (hidden > 0) {
            PyObject *name = entry_name(c, e);
            if (name) fail(c->op, PyExc_TypeError, "%U has masked values; fill them first with %U.filled(value)", name, name);
            Py_XDECREF(name);
        }
        return hidden ? -1 : 0;
    }
    bool plain = PyList_Check(o) || PyTuple_Check(o) || PyFloat_Check(o) || PyLong_Check(o) || PyArray_CheckScalar(o);
    bool arraylike = !plain && (has_attribute(o, str_array) || has_attribute(o, str_array_interface) || has_attribute(o, str_array_struct));
    bool dlpack = !plain && !arraylike && has_attribute(o, str_dlpack);
    e->untyped = plain || !(arraylike || dlpack || has_buffer(o));
    PyObject *array = dlpack ? PyObject_CallMethod(numpy_module, "from_dlpack", "O", o) : PyArray_FromAny(o, NULL, 0, 0, 0, NULL);
    if (!array) return -1;
    if (!PyArray_Check(array)) {
        Py_DECREF(array);
        return fail(c->op, PyExc_TypeError, "%s is not an array", field_name(c->op->fields[e->field].name));
    }
    if (e->untyped) input_copies++;
    e->object = array;
    Py_DECREF(o);
    return 0;
}

/* -- the call's float type -- */

static const char *float_name(int dtype) { return dtype == SNN_FLOAT64 ? "float64" : "float32"; }

static bool decides_type(field_kind kind) { return kind == KIND_IN || kind == KIND_OPT || kind == KIND_ARRAYS || kind == KIND_WRITES; }

static int raise_mismatch(const call_frame *c, const entry *wrong, const entry *leader, int got, int expected)
{
    PyObject *bad = entry_name(c, wrong), *good = entry_name(c, leader);
    const char *module_fix = "";
    if (leader->parameter && !wrong->parameter)
        module_fix = got == SNN_FLOAT64 ? " or the module with module.double()" : " or the module with module.float()";
    if (bad && good)
        fail(c->op, PyExc_TypeError, "%U is %s but %U is %s; convert %s with %U.astype(np.%s)%s", bad, float_name(got), good,
             float_name(expected), leader->parameter && !wrong->parameter ? "the input" : "it", bad, float_name(expected), module_fix);
    Py_XDECREF(bad);
    Py_XDECREF(good);
    return -1;
}

/* The float type of the Parameters, else of the first array that has one, else of a NUM array, else float32. */
static int call_type(call_frame *c)
{
    const entry *leader = NULL;
    int type = SNN_FLOAT32, num_type = -1;
    for (Py_ssize_t k = 0; k < c->n; k++) {
        entry *e = &c->entries[k];
        if (!e->object) continue;
        if (!PyArray_CheckExact(e->object) && normalise(c, e) < 0) return -1;
        if (e->untyped) continue;
        int t = PyArray_TYPE((PyArrayObject *)e->object);
        if (t != NPY_FLOAT && t != NPY_DOUBLE) continue;
        t = t == NPY_FLOAT ? SNN_FLOAT32 : SNN_FLOAT64;
        field_kind kind = c->op->fields[e->field].kind;
        if (kind == KIND_NUM && num_type < 0) num_type = t;
        if (!decides_type(kind)) continue;
        if (!leader || (e->parameter && !leader->parameter)) {
            leader = e;
            type = t;
        }
    }
    if (!leader) return num_type < 0 ? type : num_type;
    for (Py_ssize_t k = 0; k < c->n; k++) {
        const entry *e = &c->entries[k];
        if (!e->object || e->untyped || !decides_type(c->op->fields[e->field].kind)) continue;
        int t = PyArray_TYPE((PyArrayObject *)e->object);
        if (t == (type == SNN_FLOAT32 ? NPY_DOUBLE : NPY_FLOAT)) return raise_mismatch(c, e, leader, 1 - type, type);
    }
    return type;
}

/* -- place: describe each ndarray to the library, converting only what it cannot read -- */

/* The element type that the library gets for an entry, or -1 with an exception. */
static int target_type(const call_frame *c, const entry *e, int type)
{
    PyArrayObject *array = (PyArrayObject *)e->object;
    int t = dtype_of(array);
    bool is_float = t == SNN_FLOAT32 || t == SNN_FLOAT64;
    switch (c->op->fields[e->field].kind) {
    case KIND_NUM:
        if (t == HALF || (is_float && e->untyped)) return SNN_FLOAT32;
        if (is_float || (t >= SNN_INT64 && t <= SNN_UINT8)) return t;
        return raise_dtype(c, e, "float32, float64, float16, int64, int32, int16, int8 or uint8; convert it with astype");
    case KIND_INDEX: case KIND_OPTINDEX:
        if ((t >= SNN_INT64 && t <= SNN_UINT8) || t == UNSIGNED) return SNN_INT64;
        if (e->untyped && is_float && PyArray_SIZE(array) == 0) return SNN_INT64; /* NumPy makes [] float64 */
        return raise_dtype(c, e, "integers; convert it with astype(np.int64)");
    case KIND_MASK:
        if (t == SNN_BOOL) return t;
        if (is_float || t == HALF) return type;
        return raise_dtype(c, e, "bool (True = blocked) or float (added); convert an integer mask with astype(bool)");
    default:
        if (t != UNFIT) return type;
        return raise_dtype(c, e, "real numbers: float32, float64, or float16 and integers, which are converted");
    }
}

/* Describes the ndarray's own memory; false if the library cannot read it as it is (byte order, alignment, odd strides). */
static inline bool describe(snn_array *out, PyArrayObject *array, int dtype, size_t *work)
{
    size_t item = snn_itemsize(dtype), bytes = item;
    const npy_intp *shape = PyArray_DIMS(array), *strides = PyArray_STRIDES(array);
    int ndim = PyArray_NDIM(array);
    uintptr_t misfit = (uintptr_t)PyArray_DATA(array);
    out->data = PyArray_DATA(array);
    out->dtype = dtype;
    out->ndim = ndim;
    out->cache = NULL;
    for (int i = 0; i < ndim; i++) {
        out->shape[i] = shape[i];
        out->strides[i] = strides[i];
        misfit |= (uintptr_t)strides[i];
        bytes *= (size_t)shape[i];
    }
    *work += bytes;
    return (misfit & (item - 1)) == 0 && PyArray_ISNOTSWAPPED(array);
}

static int place(call_frame *c, Py_ssize_t k, int type)
{
    entry *e = &c->entries[k];
    if (!e->object) {
        c->arrays[k] = (snn_array){.ndim = -1};
        return 0;
    }
    PyArrayObject *array = (PyArrayObject *)e->object;
    int ndim = PyArray_NDIM(array);
    if (ndim > SNN_MAX_DIMS) {
        PyObject *name = entry_name(c, e);
        if (name) fail(c->op, exception_of(SNN_SHAPE_ERROR), "%U has %d dimensions; at most %d are possible", name, ndim, SNN_MAX_DIMS);
        Py_XDECREF(name);
        return -1;
    }
    int target = target_type(c, e, type);
    if (target < 0) return -1;
    bool fits = dtype_of(array) == target && describe(&c->arrays[k], array, target, &c->work);
    if (c->op->fields[e->field].kind == KIND_WRITES && !(fits && PyArray_ISWRITEABLE(array))) {
        PyObject *name = entry_name(c, e);
        if (name && !PyArray_ISWRITEABLE(array))
            fail(c->op, PyExc_ValueError, "%U is read-only, but is written in place; pass a writeable array", name);
        else if (name)
            fail(c->op, PyExc_TypeError, "%U is written in place and has to be an aligned %s array in native byte order, got %S", name,
                 float_name(type), (PyObject *)PyArray_DESCR(array));
        Py_XDECREF(name);
        return -1;
    }
    if (fits) {
        if (e->keeper) {
            c->arrays[k].cache = e->keeper->cache;
            c->arrays[k].version = e->version;
        }
        return 0;
    }
    int64_t shape[SNN_MAX_DIMS];
    for (int i = 0; i < ndim; i++) shape[i] = PyArray_DIM(array, i);
    PyArrayObject *copy = new_array(target, ndim, shape);
    if (!copy) return -1;
    if (PyArray_CopyInto(copy, array) < 0) return Py_DECREF(copy), -1;
    if (!e->untyped) input_copies++; /* a list was counted when it became an array */
    e->object = (PyObject *)copy;
    Py_DECREF(array);
    describe(&c->arrays[k], copy, target, &c->work);
    return 0;
}

/* -- results -- */

/* Results that the operation has allocated, as ndarrays; where it has not, new ones that it has yet to fill. */
static int take_results(call_frame *c, PyObject **results, bool *computed)
{
    int failed = 0;
    *computed = true;
    for (int i = 0; i < c->n_outs; i++) {
        snn_array *out = &c->outs[i];
        if (!c->wanted[i]) continue;
        if (out->data) results[i] = (PyObject *)wrap(out->data, out->dtype, out->ndim, out->shape);
        else {
            *computed = false;
            results[i] = failed ? NULL : (PyObject *)new_array(out->dtype, out->ndim, out->shape);
            if (results[i]) out->data = PyArray_DATA((PyArrayObject *)results[i]);
        }
        if (!results[i]) failed = -1;
        c->work += snn_nbytes(out);
    }
    return failed;
}

/* -- a call without the GIL -- */

static _Thread_local PyThreadState *released; /* of the thread that computes */

/* Signal handlers written in Python run on the main thread alone, which alone therefore takes the GIL for them during a call. */
static int check_signals(void)
{
    if (syscall(SYS_gettid) != getpid()) return 0;
    PyThreadState *own = released;
    PyEval_RestoreThread(own);
    int raised = PyErr_CheckSignals() < 0;
    PyEval_SaveThread();
    released = own; /* a handler may have called an operation */
    return raised;
}

/* Computes with the GIL released. A signal handler's exception (KeyboardInterrupt) ends the call, but none that writes in place: what it
 * writes would be left half changed. */
static snn_status call_released(const call_frame *c)
{
    snn_status status;
    do {
        snn_interrupt_check before = snn_set_interrupt(c->op->writes ? NULL : check_signals);
        PyThreadState *state = released = PyEval_SaveThread();
        status = c->op->call(c->slots);
        PyEval_RestoreThread(state);
        snn_set_interrupt(before);
        /* Interrupted without an exception: a handler has forked, and parent and child compute all of it again. */
    } while (status == SNN_INTERRUPTED && !PyErr_Occurred());
    return status;
}

static PyObject *compute(call_frame *c)
{
    /* Where few bytes come in, the operation computes at once if few bytes come out. */
    for (int i = 0; i < c->n_outs; i++) {
        c->outs[i].data = NULL;
        c->outs[i].ndim = c->work < GIL_MINSIZE ? -1 : 0;
        c->outs[i].shape[0] = GIL_MINSIZE - 1 - (int64_t)c->work;
    }
    snn_status status;
    if (c->n_outs == 0) {
        /* Everything is written in place, in one call. */
        status = c->work < GIL_MINSIZE ? c->op->call(c->slots) : call_released(c);
        if (status != SNN_OK) return raise_status(status), NULL;
        Py_RETURN_NONE;
    }
    status = c->op->call(c->slots);
    if (status != SNN_OK) {
        for (int i = 0; i < c->n_outs; i++) snn_free(c->outs[i].data);
        return raise_status(status), NULL;
    }
    PyObject *results[MAX_OUTS] = {0};
    bool computed;
    if (take_results(c, results, &computed) < 0) goto failed;
    if (!computed) {
        status = c->work < GIL_MINSIZE ? c->op->call(c->slots) : call_released(c);
        if (status != SNN_OK) {
            raise_status(status);
            goto failed;
        }
    }
    if (c->n_outs == 1) return results[0];
    PyObject *tuple = PyTuple_New(c->n_outs);
    if (!tuple) goto failed;
    for (int i = 0; i < c->n_outs; i++) {
        if (!results[i]) Py_INCREF(Py_None);
        PyTuple_SetItem(tuple, i, results[i] ? results[i] : Py_None);
    }
    return tuple;
failed:
    for (int i = 0; i < c->n_outs; i++) Py_XDECREF(results[i]);
    return NULL;
}

/* Tensors decide the type of the result (Parameters only where there is nothing else): tape.apply unwraps them, calls this operation again,
 * wraps what it returns and records it. */
static PyObject *hand_over(PyObject *module, const op_row *op, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *result = NULL, *function = PyObject_GetAttrString(module, op->name), *tuple = PyTuple_New(nargs);
    if (function && tuple) {
        for (Py_ssize_t i = 0; i < nargs; i++) {
            Py_INCREF(args[i]);
            PyTuple_SetItem(tuple, i, args[i]);
        }
        result = PyObject_CallFunctionObjArgs(tensor_apply, function, tuple, NULL);
    }
    Py_XDECREF(function);
    Py_XDECREF(tuple);
    return result;
}

static PyObject *raise_count(const op_row *op, Py_ssize_t nargs)
{
    char names[512] = "";
    for (int f = 0; f < op->n_fields; f++) {
        if (op->fields[f].kind == KIND_OUT) continue;
        size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", op->fields[f].name);
    }
    return PyErr_Format(PyExc_TypeError, "%s(%s) takes %d arguments, got %zd", op->name, names, op->n_args, nargs);
}

static PyObject *call_op(PyObject *module, const op_row *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != op->n_args) return raise_count(op, nargs);
    call_frame c;
    c.op = op;
    c.n = 0;
    c.work = 0;
    c.n_ints = c.n_outs = 0;
    c.hand_over = c.parameter = c.plain = false;
    if (make_room(&c, args) < 0) return NULL;
    PyObject *result = NULL;
    int type;
    if (collect(&c, args) < 0) goto done;
    if (c.hand_over || (c.parameter && !c.plain)) {
        /* before the call that comes back here: while this one held the Parameters' arrays they would not be private */
        release(&c);
        return hand_over(module, op, args, nargs);
    }
    if ((type = call_type(&c)) < 0) goto done;
    for (Py_ssize_t k = 0; k < c.n; k++)
        if (place(&c, k, type) < 0) goto done;
    result = compute(&c);
done:
    release(&c);
    return result;
}

/* ---- one function per row ---- */

#define SNN_OP(name, fields) \
    static snn_status name##_call(const void *args) { return snn_##name(args); } \
    static const op_row name##_row = { \
        #name, name##_fields, sizeof name##_fields / sizeof *name##_fields, name##_args, name##_arrays, name##_outs, \
        name##_writes != 0, name##_call, \
    }; \
    static PyObject *name##_python(PyObject *module, PyObject *const *args, Py_ssize_t nargs) \
    { \
        return call_op(module, &name##_row, args, nargs); \
    }
#include "ops.def"
#undef SNN_OP

static const op_row *const op_rows[] = {
#define SNN_OP(name, fields) &name##_row,
#include "ops.def"
#undef SNN_OP
};

static PyObject *make_ops(void)
{
    Py_ssize_t n = sizeof op_rows / sizeof *op_rows;
    PyObject *ops = PyTuple_New(n);
    for (Py_ssize_t i = 0; ops && i < n; i++) {
        PyObject *fields = PyTuple_New(op_rows[i]->n_fields), *row = NULL;
        for (int f = 0; fields && f < op_rows[i]->n_fields; f++) {
            const field_row *field = &op_rows[i]->fields[f];
            PyObject *pair = Py_BuildValue("(ss)", kind_names[field->kind], field->name);
            if (!pair) Py_CLEAR(fields);
            else PyTuple_SetItem(fields, f, pair);
        }
        if (fields) row = Py_BuildValue("(sN)", op_rows[i]->name, fields);
        if (!row) Py_CLEAR(ops);
        else PyTuple_SetItem(ops, i, row);
    }
    return ops;
}

/* ---- the base of Module ---- */

/* layer(...): forward with the same arguments, by way of the hooks where there are any. In C because it is a part of every call: Python's
 * own way to a __call__ written in Python, which has to pack arguments of any kind, costs more than many a layer. */
static PyObject *module_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *state = PyObject_GenericGetDict(self, NULL);
    if (!state) return NULL;
    PyObject *hooks = PyDict_GetItemWithError(state, str_forward_hooks);
    PyObject *pre_hooks = hooks ? PyDict_GetItemWithError(state, str_forward_pre_hooks) : NULL;
    bool hooked = true;
    if (pre_hooks && PyDict_Check(hooks) && PyDict_Check(pre_hooks)) hooked = PyDict_Size(hooks) > 0 || PyDict_Size(pre_hooks) > 0;
    Py_DECREF(state);
    if (!pre_hooks) {
        PyObject *name = PyErr_Occurred() ? NULL : type_name(self);
        if (name) PyErr_Format(PyExc_AttributeError, "'%U' object has no attribute '_forward_hooks'; was super().__init__() called?", name);
        Py_XDECREF(name);
        return NULL;
    }
    bool named = kwargs && PyDict_Size(kwargs) > 0;
    if (!hooked && !named && PyTuple_Size(args) == 1)
        return PyObject_CallMethodObjArgs(self, str_forward, PyTuple_GetItem(args, 0), NULL);
    PyObject *result = NULL;
    if (hooked) {
        PyObject *own = named ? PyDict_Copy(kwargs) : PyDict_New(); /* hooks may change it */
        if (own) result = PyObject_CallMethodObjArgs(self, str_call_with_hooks, args, own, NULL);
        Py_XDECREF(own);
        return result;
    }
    PyObject *forward = PyObject_GetAttr(self, str_forward);
    if (forward) result = PyObject_Call(forward, args, kwargs);
    Py_XDECREF(forward);
    return result;
}

static PyType_Slot module_base_slots[] = {
    {Py_tp_call, module_call}, {Py_tp_doc, "What calls forward: the base class of Module."}, {0, NULL},
};

static PyType_Spec module_base_spec = {
    .name = "swiftnn._native.ModuleBase", .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, .slots = module_base_slots,
};

/* ---- the other functions ---- */

static PyObject *set_num_threads(PyObject *Py_UNUSED(module), PyObject *arg)
{
    long long n = PyLong_AsLongLong(arg);
    if (n == -1 && PyErr_Occurred()) return NULL;
    snn_status status = snn_set_num_threads(n);
    if (status != SNN_OK) return raise_status(status), NULL;
    Py_RETURN_NONE;
}

static PyObject *get_num_threads(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyLong_FromLongLong(snn_get_num_threads());
}

static PyObject *set_winograd(PyObject *Py_UNUSED(module), PyObject *arg)
{
    int enabled = PyObject_IsTrue(arg);
    if (enabled < 0) return NULL;
    snn_set_winograd(enabled);
    Py_RETURN_NONE;
}

static PyObject *get_winograd(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(snn_get_winograd() != 0);
}

static PyObject *set_thread_limit(PyObject *Py_UNUSED(module), PyObject *arg)
{
    long long n = PyLong_AsLongLong(arg);
    if (n == -1 && PyErr_Occurred()) return NULL;
    if (n < 0) return PyErr_Format(PyExc_ValueError, "the number of threads must be at least 1, or 0 for no limit, got %lld", n);
    return PyLong_FromLongLong(snn_set_thread_limit(n));
}

static PyObject *isa(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none)) { return PyUnicode_FromString(snn_isa()); }

static PyObject *isa_available(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    static const char *const names[] = {"base", "avx2", "avx512", "neon"};
    int64_t bits = snn_isa_available();
    PyObject *list = PyList_New(0), *tuple = NULL;
    for (int i = 0; list && i < 4; i++) {
        if (!(bits >> i & 1)) continue;
        PyObject *name = PyUnicode_FromString(names[i]);
        if (!name || PyList_Append(list, name) < 0) Py_CLEAR(list);
        Py_XDECREF(name);
    }
    if (list) tuple = PyList_AsTuple(list);
    Py_XDECREF(list);
    return tuple;
}

static PyObject *memory_stats(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    int64_t s[5];
    snn_memory_stats(s);
    return Py_BuildValue("{sLsLsLsLsL}", "bytes_in_use", (long long)s[0], "bytes_cached", (long long)s[1], "blocks_in_use", (long long)s[2],
                         "blocks_from_system", (long long)s[3], "blocks_reused", (long long)s[4]);
}

static PyObject *release_memory(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none)) { return PyLong_FromSize_t(snn_release_memory()); }

static PyObject *copies(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none)) { return PyLong_FromUnsignedLongLong(input_copies); }

static PyObject *allocated_by_us(PyObject *Py_UNUSED(module), PyObject *arg)
{
    if (!PyArray_Check(arg)) return PyErr_Format(PyExc_TypeError, "allocated_by_us takes an ndarray, got %R", (PyObject *)Py_TYPE(arg));
    PyArrayObject *array = (PyArrayObject *)arg;
    return PyBool_FromLong(PyArray_CHKFLAGS(array, NPY_ARRAY_OWNDATA) && PyArray_HANDLER(array) == handler_capsule);
}

static void keep(PyObject **place, PyObject *value)
{
    PyObject *before = *place;
    Py_INCREF(value);
    *place = value;
    Py_XDECREF(before);
}

static PyObject *setup(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *tensor, *parameter, *apply, *shape;
    if (!PyArg_ParseTuple(args, "OOOO:_setup", &tensor, &parameter, &apply, &shape)) return NULL;
    if (!PyType_Check(tensor) || !PyType_Check(parameter) || !PyType_IsSubtype((PyTypeObject *)parameter, (PyTypeObject *)tensor)
        || !PyType_IsSubtype((PyTypeObject *)tensor, (PyTypeObject *)tensor_base))
        return PyErr_Format(PyExc_TypeError, "_setup: Tensor must be a subclass of TensorBase, Parameter one of Tensor");
    if (!PyCallable_Check(apply)) return PyErr_Format(PyExc_TypeError, "_setup: apply must be callable");
    keep(&tensor_type, tensor);
    keep(&parameter_type, parameter);
    keep(&tensor_apply, apply);
    keep(&shape_error, shape);
    Py_RETURN_NONE;
}

/* ---- the module ---- */

#define IN(n) #n ", "
#define OPT(n) #n ", "
#define NUM(n) #n ", "
#define INDEX(n) #n ", "
#define OPTINDEX(n) #n ", "
#define MASK(n) #n ", "
#define ARRAYS(n) #n ", "
#define WRITES(n) #n ", "
#define OUT(n)
#define OPTOUT(n) #n ", "
#define INT(n) #n ", "
#define INTS(n) #n ", "
#define REAL(n) #n ", "
static PyMethodDef methods[] = {
#define SNN_OP(name, fields) {#name, (PyCFunction)(void (*)(void))name##_python, METH_FASTCALL, #name "($module, " fields "/)\n--\n\n"},
#include "ops.def"
#undef SNN_OP
#undef IN
#undef OPT
#undef NUM
#undef INDEX
#undef OPTINDEX
#undef MASK
#undef ARRAYS
#undef WRITES
#undef OUT
#undef OPTOUT
#undef INT
#undef INTS
#undef REAL
    {"set_num_threads", set_num_threads, METH_O, "set_num_threads($module, n, /)\n--\n\nSet how many threads an operation may use."},
    {"get_num_threads", get_num_threads, METH_NOARGS, "get_num_threads($module, /)\n--\n\nHow many threads an operation may use."},
    {"set_winograd", set_winograd, METH_O, "set_winograd($module, enabled, /)\n--\n\nLet convolutions use Winograd's algorithm, or not."},
    {"get_winograd", get_winograd, METH_NOARGS, "get_winograd($module, /)\n--\n\nWhether convolutions may use Winograd's algorithm."},
    {"set_thread_limit", set_thread_limit, METH_O,
     "set_thread_limit($module, n, /)\n--\n\nSet the calling thread's own limit (0: none) and return the one before it."},
    {"isa", isa, METH_NOARGS, "isa($module, /)\n--\n\nThe instruction set level in use: 'base', 'avx2' or 'avx512', or 'neon' on ARM."},
    {"isa_available", isa_available, METH_NOARGS, "isa_available($module, /)\n--\n\nThe levels that this CPU can run."},
    {"memory_stats", memory_stats, METH_NOARGS, "memory_stats($module, /)\n--\n\nWhat the result allocator holds, as a dict."},
    {"release_memory", release_memory, METH_NOARGS,
     "release_memory($module, /)\n--\n\nGive cached blocks back to the system; returns the bytes given back."},
    {"copies", copies, METH_NOARGS, "copies($module, /)\n--\n\nHow many inputs have been converted or copied so far in this process."},
    {"allocated_by_us", allocated_by_us, METH_O,
     "allocated_by_us($module, array, /)\n--\n\nWhether the array owns memory of swiftnn's allocator."},
    {"call_with_memory", call_with_memory, METH_VARARGS,
     "call_with_memory($module, function, args, kwargs={}, /)\n--\n\nfunction(*args, **kwargs), whose arrays get memory of swiftnn's allocator."},
    {"_setup", setup, METH_VARARGS,
     "_setup($module, Tensor, Parameter, apply, ShapeError, /)\n--\n\nTell the binding of the Python classes."},
    {NULL, NULL, 0, NULL},
};

static int add(PyObject *module, const char *name, PyObject *value)
{
    int result = value ? PyModule_AddObjectRef(module, name, value) : -1;
    Py_XDECREF(value);
    return result;
}

static int execute(PyObject *module)
{
    /* The state above is the process's: interpreters would share objects. The main one has number 0. */
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
        PyErr_SetString(PyExc_ImportError, "swiftnn, like NumPy, runs in a process's main interpreter only, not in a sub-interpreter; "
                                           "use processes or threads (under mod_wsgi: WSGIApplicationGroup %{GLOBAL})");
        return -1;
    }
    if (PyArray_API == NULL && _import_array() < 0) return -1;
    if (snn_initialize() != SNN_OK) {
        PyErr_Format(PyExc_ImportError, "swiftnn cannot start: %s", snn_last_error());
        return -1;
    }
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        if (!*strings[i].place && !(*strings[i].place = PyUnicode_InternFromString(strings[i].text))) return -1;
    if (!numpy_module && !(numpy_module = PyImport_ImportModule("numpy"))) return -1;
    if (!handler_capsule && !(handler_capsule = PyCapsule_New(&handler, "mem_handler", NULL))) return -1;
    if (check_handler_place() < 0) return -1;
    if (!tensor_base && !(tensor_base = PyType_FromSpec(&tensor_spec))) return -1;
    Py_INCREF(tensor_base);
    if (add(module, "TensorBase", tensor_base) < 0) return -1;
    if (add(module, "OPS", make_ops()) < 0) return -1;
    if (add(module, "ModuleBase", PyType_FromSpec(&module_base_spec)) < 0) return -1;
    if (add(module, "abi_version", PyLong_FromLong(SNN_ABI_VERSION)) < 0) return -1;
    if (add(module, "_GIL_MINSIZE", PyLong_FromLong(GIL_MINSIZE)) < 0) return -1;
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, execute},
#ifdef Py_mod_gil /* not in the limited API of 3.10, whose extensions a free-threaded CPython does not load */
    {Py_mod_gil, Py_MOD_GIL_USED}, /* Parameters' versions and caches rely on it */
#endif
    {0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "swiftnn._native",
    .m_doc = "NumPy arrays in, the operations of libSwiftNN, NumPy arrays out.",
    .m_methods = methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
