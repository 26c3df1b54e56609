/* swiftnn.h from plain C: a convolution and an LSTM in both float types, against loops written out here, in two calls and in one, and the
 * two kinds of refusal.
 *
 *     cc -std=c11 -I Sources/CSwiftNN/include Tests/c/test_abi.c -L <folder of libSwiftNN.so> -lSwiftNN -lm -o test_abi
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swiftnn.h"

static int passed, failed;

static void check(int good, const char *format, ...)
{
    va_list rest;
    va_start(rest, format);
    printf("%s ", good ? "ok  " : "FAIL");
    vprintf(format, rest);
    printf("\n");
    va_end(rest);
    good ? passed++ : failed++;
}

static double get(const snn_array *a, int64_t i)
{
    return a->dtype == SNN_FLOAT64 ? ((const double *)a->data)[i] : ((const float *)a->data)[i];
}

static void set(const snn_array *a, int64_t i, double value)
{
    if (a->dtype == SNN_FLOAT64) ((double *)a->data)[i] = value;
    else ((float *)a->data)[i] = (float)value;
}

static int64_t count(const snn_array *a) { return (int64_t)(snn_nbytes(a) / snn_itemsize(a->dtype)); }

/* A C-contiguous array of ndim sizes, filled with numbers in [-1, 1) from a generator of its own. */
static snn_array make(int32_t dtype, int32_t ndim, ...)
{
    static uint64_t state = 1;
    snn_array a = {.dtype = dtype, .ndim = ndim};
    va_list sizes;
    va_start(sizes, ndim);
    for (int32_t i = 0; i < ndim; i++) a.shape[i] = va_arg(sizes, int);
    va_end(sizes);
    int64_t stride = (int64_t)snn_itemsize(dtype);
    for (int32_t i = ndim - 1; i >= 0; i--) {
        a.strides[i] = stride;
        stride *= a.shape[i];
    }
    a.data = malloc(snn_nbytes(&a));
    for (int64_t i = 0; i < count(&a); i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        set(&a, i, (double)(state >> 33) / (1u << 30) - 1.0);
    }
    return a;
}

/* Largest difference from the expected numbers, relative to the largest of them; NaN counts as far off. */
static double distance(const snn_array *a, const double *expected)
{
    double worst = 0, largest = 1e-30;
    for (int64_t i = 0; i < count(a); i++) {
        double d = fabs(get(a, i) - expected[i]);
        if (!(d <= worst)) worst = d == d ? d : INFINITY;
        largest = fmax(largest, fabs(expected[i]));
    }
    return worst / largest;
}

static double tolerance(int32_t dtype) { return dtype == SNN_FLOAT64 ? 1e-12 : 2e-6; }
static const char *type_name(int32_t dtype) { return dtype == SNN_FLOAT64 ? "float64" : "float32"; }

/* y[n,o,p,q] = b[o] + sum_{c,r,s} w[o,c,r,s] x[n, c, p*sh - ph + r*dh, q*sw - pw + s*dw] */
static void convolution(int32_t dtype)
{
    const char *name = type_name(dtype);
    enum { N = 2, C = 6, H = 9, W = 11, O = 4, R = 3, S = 2, GROUPS = 2 };
    const int64_t stride[2] = {2, 1}, padding[2] = {1, 2}, dilation[2] = {1, 3};
    snn_array x = make(dtype, 4, N, C, H, W), w = make(dtype, 4, O, C / GROUPS, R, S), b = make(dtype, 1, O), y = {0};
    snn_conv_forward_args args = {
        .x = &x, .weight = &w, .bias = &b, .stride = stride, .stride_count = 2, .padding = padding, .padding_count = 2,
        .dilation = dilation, .dilation_count = 2, .groups = GROUPS, .activation = SNN_NONE, .y = &y,
    };
    snn_status status = snn_conv_forward(&args);
    check(status == SNN_OK && y.ndim == 4 && y.dtype == dtype && y.shape[0] == N && y.shape[1] == O && y.shape[2] == 5 && y.shape[3] == 12,
          "conv %s: the first call gives the shape (2, 4, 5, 12) %s", name, status ? snn_last_error() : "");
    if (status != SNN_OK) return;
    y.data = snn_allocate(snn_nbytes(&y));
    status = snn_conv_forward(&args);

    double *expected = malloc((size_t)count(&y) * sizeof *expected), *e = expected;
    for (int64_t n = 0; n < N; n++)
        for (int64_t o = 0; o < O; o++)
            for (int64_t p = 0; p < y.shape[2]; p++)
                for (int64_t q = 0; q < y.shape[3]; q++) {
                    double sum = get(&b, o);
                    for (int64_t c = 0; c < C / GROUPS; c++)
                        for (int64_t r = 0; r < R; r++)
                            for (int64_t s = 0; s < S; s++) {
                                int64_t row = p * stride[0] - padding[0] + r * dilation[0];
                                int64_t column = q * stride[1] - padding[1] + s * dilation[1];
                                int64_t channel = o / (O / GROUPS) * (C / GROUPS) + c;
                                if (row < 0 || row >= H || column < 0 || column >= W) continue;
                                double pixel = get(&x, ((n * C + channel) * H + row) * W + column);
                                sum += get(&w, ((o * (C / GROUPS) + c) * R + r) * S + s) * pixel;
                            }
                    *e++ = sum;
                }
    double d = status == SNN_OK ? distance(&y, expected) : INFINITY;
    check(d <= tolerance(dtype), "conv %s: y[0,0,0,:3] = %.6f %.6f %.6f, off by %.1e", name, get(&y, 0), get(&y, 1), get(&y, 2), d);

    snn_array once = {.ndim = -1, .shape = {(int64_t)snn_nbytes(&y)}};
    args.y = &once;
    status = snn_conv_forward(&args);
    check(status == SNN_OK && once.data && once.ndim == 4 && memcmp(once.data, y.data, snn_nbytes(&y)) == 0,
          "conv %s: one call allocates the same result and computes it", name);
    snn_free(once.data);
    once = (snn_array){.ndim = -1, .shape = {(int64_t)snn_nbytes(&y) - 1}};
    status = snn_conv_forward(&args);
    check(status == SNN_OK && !once.data && once.ndim == 4 && once.shape[3] == 12, "conv %s: a larger result than allowed stays a query", name);
    args.y = &y;

    snn_free(y.data);
    snn_array narrow = x;
    narrow.shape[1] = C - 1;
    args.x = &narrow;
    y.data = NULL;
    status = snn_conv_forward(&args);
    check(status == SNN_SHAPE_ERROR && *snn_last_error(), "conv %s: a wrong channel count is refused: %s", name, snn_last_error());
    const int64_t impossible[] = {-1, INT64_MIN, INT64_MAX, (int64_t)1 << 61};
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        narrow.shape[1] = C;
        narrow.shape[2] = impossible[i];
        status = snn_conv_forward(&args);
        check(status == SNN_SHAPE_ERROR && *snn_last_error(), "conv %s: %lld rows are refused: %s", name, (long long)impossible[i], snn_last_error());
    }
    free(x.data);
    free(w.data);
    free(b.data);
    free(expected);
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* Gates i, f, g, o; c' = f c + i g; h' = o tanh(c'). Two layers, both directions, started from h0 and c0. */
static void lstm(int32_t dtype)
{
    const char *name = type_name(dtype);
    enum { T = 7, B = 3, I = 5, H = 4, LAYERS = 2, D = 2 };
    snn_array x = make(dtype, 3, T, B, I), h0 = make(dtype, 3, LAYERS * D, B, H), c0 = make(dtype, 3, LAYERS * D, B, H);
    snn_array weights[LAYERS * D * 5], y = {0}, hn = {0}, cn = {0};
    for (int k = 0; k < LAYERS * D; k++) {
        weights[5 * k] = make(dtype, 2, 4 * H, k < D ? I : D * H);
        weights[5 * k + 1] = make(dtype, 2, 4 * H, H);
        weights[5 * k + 2] = make(dtype, 1, 4 * H);
        weights[5 * k + 3] = make(dtype, 1, 4 * H);
        weights[5 * k + 4] = (snn_array){.ndim = -1};
    }
    snn_rnn_forward_args args = {
        .mode = SNN_LSTM, .x = &x, .h0 = &h0, .c0 = &c0, .weights = weights, .weights_count = LAYERS * D * 5, .layers = LAYERS,
        .bidirectional = 1, .y = &y, .hn = &hn, .cn = &cn,
    };
    snn_status status = snn_rnn_forward(&args);
    check(status == SNN_OK && y.ndim == 3 && y.shape[0] == T && y.shape[1] == B && y.shape[2] == D * H && hn.shape[0] == LAYERS * D,
          "lstm %s: the first call gives the shape (7, 3, 8) %s", name, status ? snn_last_error() : "");
    if (status != SNN_OK) return;
    y.data = snn_allocate(snn_nbytes(&y));
    hn.data = snn_allocate(snn_nbytes(&hn));
    cn.data = snn_allocate(snn_nbytes(&cn));
    status = snn_rnn_forward(&args);

    static double in[T][B][D * H], out[T][B][D * H], h[LAYERS * D][B][H], c[LAYERS * D][B][H];
    for (int t = 0; t < T; t++)
        for (int b = 0; b < B; b++)
            for (int i = 0; i < I; i++) in[t][b][i] = get(&x, (t * B + b) * I + i);
    for (int layer = 0; layer < LAYERS; layer++) {
        for (int direction = 0; direction < D; direction++) {
            int k = layer * D + direction, width = layer == 0 ? I : D * H;
            const snn_array *w = &weights[5 * k];
            for (int b = 0; b < B; b++) {
                for (int j = 0; j < H; j++) {
                    h[k][b][j] = get(&h0, (k * B + b) * H + j);
                    c[k][b][j] = get(&c0, (k * B + b) * H + j);
                }
                for (int step = 0; step < T; step++) {
                    int t = direction ? T - 1 - step : step;
                    double gate[4 * H];
                    for (int g = 0; g < 4 * H; g++) {
                        gate[g] = get(&w[2], g) + get(&w[3], g);
                        for (int i = 0; i < width; i++) gate[g] += get(&w[0], g * width + i) * in[t][b][i];
                        for (int j = 0; j < H; j++) gate[g] += get(&w[1], g * H + j) * h[k][b][j];
                    }
                    for (int j = 0; j < H; j++) {
                        c[k][b][j] = sigmoid(gate[H + j]) * c[k][b][j] + sigmoid(gate[j]) * tanh(gate[2 * H + j]);
                        h[k][b][j] = sigmoid(gate[3 * H + j]) * tanh(c[k][b][j]);
                        out[t][b][direction * H + j] = h[k][b][j];
                    }
                }
            }
        }
        memcpy(in, out, sizeof in);
    }
    int good = status == SNN_OK;
    double d = good ? distance(&y, &out[0][0][0]) : INFINITY;
    check(d <= tolerance(dtype), "lstm %s: y[0,0,:3] = %.6f %.6f %.6f, off by %.1e", name, get(&y, 0), get(&y, 1), get(&y, 2), d);
    d = good ? fmax(distance(&hn, &h[0][0][0]), distance(&cn, &c[0][0][0])) : INFINITY;
    check(d <= tolerance(dtype), "lstm %s: hn and cn off by %.1e", name, d);
    snn_free(y.data);
    snn_free(hn.data);
    snn_free(cn.data);
    free(x.data);
    free(h0.data);
    free(c0.data);
    for (int i = 0; i < LAYERS * D * 5; i++) free(weights[i].data);
}

int main(void)
{
    if (snn_initialize() != SNN_OK) {
        printf("FAIL %s\n", snn_last_error());
        return 1;
    }
    printf("level %s, %d threads\n", snn_isa(), (int)snn_get_num_threads());
    const int32_t types[] = {SNN_FLOAT32, SNN_FLOAT64};
    for (int i = 0; i < 2; i++) {
        convolution(types[i]);
        lstm(types[i]);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
