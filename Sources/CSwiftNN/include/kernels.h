/* kernels.h: the boundary between the frame and an instruction set level: one table of C functions for each element type.
 * Not part of the ABI. Sizes and strides count elements. T is the table's element type. */
#ifndef SWIFTNN_KERNELS_H
#define SWIFTNN_KERNELS_H

#include <stdint.h>

/* C[m,n] = last ? residual + act(v) : v,  v = first || chained ? chain : chain + C,  chain = (first ? bias : chained ? C : 0) + A B, over k
 * in order, one fused multiply-add each. */
typedef struct snn_gemm_block {
    int64_t m, n, k;
    int64_t height;                 /* rows of a tile: mr, or a smaller even number where that divides m better */
    /* element (i,k) at a[min((i/height)*a_panel, a_last) + (i%height)*a_rs + k*a_ks]: packed in panels, a_rs 1 and a_ks mr, or where it
     * lies. An odd last row is read with the next one; a smaller a_last keeps the last tile inside of the matrix: its first row is once more
     * one of the tile before. */
    const void *a; int64_t a_panel, a_rs, a_ks, a_last;
    const void *b; int64_t b_panel, b_stride; /* element (k,j) at b[(j/nr)*b_panel + k*b_stride + j%nr]; b_stride is nr where it is packed */
    /* not NULL: B is read where it lies: element (k,j) at b[b_starts[j / (nr/2)] + b_offsets[k] + j % (nr/2)]; whole vectors are read, and
     * b_starts has four numbers for every 2*nr columns begun, for a single row eight for every 4*nr. A is packed then */
    const int64_t *b_starts, *b_offsets;
    void *c; int64_t ldc;
    const void *row_bias;           /* m values or NULL */
    const void *col_bias;           /* n values or NULL */
    const void *residual; int64_t ldr;
    int64_t activation; double alpha, beta; /* snn activation kind or -1 */
    int64_t first, last;
    int64_t chained;                /* C holds the chain up to here */
    int64_t far;                    /* C is in no cache, and k so small that its lines have to be asked for at once */
    int64_t stream;                 /* write C past the caches: c aligned to 64 bytes, ldc * size a multiple of 64, first and last, no activation, no residual */
    /* not NULL: where the numbers lie that the caller wants near when the block is done: k * nr of them for every panel of B */
    const void *ahead;
    void *tile;                     /* scratch for mr * nr numbers */
} snn_gemm_block;

/* dst panel p, element (k, i) = src[(p*width + i)*rs + k*ks], zero where p*width + i >= rows. */
typedef struct snn_pack {
    const void *src; int64_t rs, ks;
    int64_t rows, k, width;
    void *dst; int64_t panel;
} snn_pack;

/* C[m,n] = bias + A B^T over k in order, one fused multiply-add each, read where they lie. */
typedef struct snn_small_product {
    int64_t m, n, k;
    const void *a; int64_t a_rs, a_ks;
    const void *b; int64_t b_rs, b_ks;        /* n rows of k */
    const void *col_bias;                     /* n values or NULL */
    void *c; int64_t ldc;
} snn_small_product;

/* The windows of a convolution in panels: row k = (c, r, s), column j = output pixel p0 + j, counted over all images, which are padded
 * already: dst[(j/width)*panel + k*row + j%width], zero for the columns that the last panel lacks. */
typedef struct snn_im2col {
    const void *src; int64_t ns, cs, hs, ws;  /* strides of image, channel, row, column */
    int64_t r, s;                             /* filter size */
    int64_t stride_h, stride_w, dilation_h, dilation_w;
    int64_t phases, phase;                    /* > 1: the input's column w stands at w % phases * phase + w / phases, and stride_w is 1 */
    int64_t row_phases, row_phase;            /* > 1: its row h at h % row_phases * row_phase + h / row_phases * hs, and stride_h is 1 */
    int64_t q, pixels;                        /* output width, output pixels of an image */
    int64_t k0, k, p0, p;                     /* the block: rows k0 ..< k0+k, columns p0 ..< p0+p */
    void *dst; int64_t width, row, panel;
    int64_t *runs;                            /* scratch for 3*p + k + 8 numbers */
} snn_im2col;

/* Rows of the planes of an image between `top` and `bottom` rows of zeros and behind `left` columns of them, cut into the columns of each
 * residue modulo `phases`, of which the first `residues` are copied: column w of row h at dst[(top + h)*row + (left + w) % phases * step +
 * (left + w) / phases], as far as it is one of a residue's first `phase` numbers, which are zeros otherwise. */
typedef struct snn_pad {
    const void *src; int64_t cs, hs, ws;
    int64_t planes, h, w, top, bottom, left;
    int64_t phases, residues, phase;
    void *dst; int64_t plane, row, step;
} snn_pad;

/* Tiles side by side of a Winograd convolution, 4x4 outputs and 36 numbers each of which stands in a plane of its own:
 * planes[(i*6 + j)*plane + t*row + channel] for tile t. A row has room for whole vectors of channels. */
typedef struct snn_winograd_row {
    int64_t tiles, channels;
    void *image; int64_t cs, hs, ws;          /* the input's or result's first pixel inside the window of the tiles; result: ws is 1 */
    int64_t h0, h1, w0, w1;                   /* the part of the window (rows, columns) inside the image; result: h0 and w0 are 0 */
    void *planes; int64_t plane, row;
    const void *bias; int64_t activation; double alpha, beta; /* result only: bias for each channel or NULL; kind or -1 */
    void *scratch;                            /* 6 * (4*tiles + 2) vectors */
} snn_winograd_row;

/* C[m,n] = (first ? 0 : C) + A B: A and C row-major, B in panels as wide as a vector: element (k,j) at b[(j/lanes)*b_panel + k*lanes +
 * j%lanes]. Sums of 16 and of 128 terms are added up in order. n is a multiple of the vector; A and C have room for rows up to the next multiple of six. */
typedef struct snn_winograd_product {
    int64_t m, n, k;
    const void *a; int64_t lda;
    const void *b; int64_t b_panel;
    void *c; int64_t ldc;
    int64_t first;
} snn_winograd_product;

/* C[m,n] = (first ? 0 : C) + A^T B: A (k rows of m) and B (k rows of n) row-major, and C; sums of 16 and of 128 terms are added up in order. n is a multiple
 * of the vector; A has room for columns up to the next multiple of six, and C for as many rows. */
typedef struct snn_winograd_outer {
    int64_t m, n, k;
    const void *a; int64_t lda;
    const void *b; int64_t ldb;
    void *c; int64_t ldc;
    int64_t first;
} snn_winograd_outer;

/* A row of an image for a Winograd convolution along rows: with `left` zeros before its `width` numbers, and zeros behind them, tile t of
 * line g is the numbers 4*t + 3*g ..< 4*t + 3*g + 6, and number j of its transform goes to planes[(6*g + j)*plane + t]. Whole vectors of
 * tiles are written. */
typedef struct snn_winograd_line {
    const void *x; int64_t ws;                /* the row, or NULL: zeros */
    int64_t left, width, tiles;               /* left + width: at most 4 * columns (see scratch) */
    int64_t lines;
    void *planes; int64_t plane;
    void *scratch;                            /* 8 * columns and 4 vectors; columns: tiles + (3*lines + 2) / 4 in whole vectors */
} snn_winograd_line;

/* y[o*ldy + 4*t + i] = act(bias[o] + A' of Σ over k in order of the filters' transforms times those of tile t), for some vectors of tiles. */
typedef struct snn_winograd_line_product {
    int64_t vectors;                          /* 2, or 3 where wide_columns is not 0 */
    int64_t channels, k;                      /* k: input channels times lines of the filter */
    const void *planes; int64_t plane;        /* number j of tile t at planes[offsets[k] + j*plane + t] */
    const int64_t *offsets;
    /* Panels of P channels and E elements: 8 and 1 for three vectors; else 4 and 3 where nr is 2*lanes, min(mr, 8) and 1 otherwise. Number j of (o, k) stands at
     * [((o/P*6 + j/E*E)*K + k*E + j%E)*P + o%P], zeros for a panel's missing channels. */
    const void *filters;
    const void *bias; int64_t activation; double alpha, beta; /* bias for each channel or NULL; kind or -1 */
    void *y; int64_t ldy;
    int64_t stream;                           /* write y past the caches: aligned to 64 bytes, ldy * size a multiple of 64, no activation */
    void *scratch;                            /* 12 * P vectors; for three vectors 18 * 64 */
} snn_winograd_line_product;

/* Planes of a depthwise convolution, output plane o of the filter o and of the input's plane o / multiplier: y[i,j] = bias + sum over r, s in
 * order of w[r,s] x[i*stride_h + r*dilation_h - top, j*stride_w + s*dilation_w - left], one fused multiply-add each, x being zero outside of
 * its h rows of w columns. Before they are used, rows are copied to where borders are zeros and the columns of each residue modulo the
 * stride stand together: row i of a padded plane begins at padded[i*stride_w*phase], its column j at j % stride_w * phase + j / stride_w. */
typedef struct snn_depthwise {
    const void *x; int64_t cs, hs, ws;        /* the first plane, the distances of planes, of rows and of columns */
    int64_t h, w;
    const void *filters; int64_t r, s;        /* contiguous */
    int64_t stride_h, stride_w, dilation_h, dilation_w, top, left;
    const void *bias;                         /* one for each output plane or NULL: 0 */
    void *y; int64_t channels, multiplier, p, q; /* contiguous; channels of the input */
    int64_t planes, rows;                     /* planes that are padded at once, and of how many rows of the result at a time */
    /* Room for as many, and for a vector before and two behind them; all zeros at first. stride_w 1: phase is w and a border at least, the
     * right border of a row being the left one of the next; 2: whole vectors of columns and a border. */
    void *padded; int64_t phase;
} snn_depthwise;

/* What one plane gives to the gradient of a depthwise filter: sums[r*s + t] += sum over p, q of dy[p,q] x[p*stride_h + r*dilation_h,
 * column of tap t + q]. x is padded, in phases as in snn_im2col, columns of a phase contiguous. */
typedef struct snn_depthwise_gradient {
    const void *x; int64_t hs;
    const void *dy; int64_t p, q;             /* contiguous */
    int64_t r, s, stride_h, dilation_h, dilation_w;
    int64_t phases, phase;
    void *sums;
} snn_depthwise_gradient;

/* Rows p0 ..< p1 of the pooled planes of some channels (MaxPool.swift, AvgPool.swift). No window lies outside of its image, unless it is dilated. */
typedef struct snn_pool {
    const void *x; int64_t cs, hs;            /* the first plane, the distances of planes and of rows; columns are contiguous */
    int64_t h, w;
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    int64_t planes, p, q, p0, p1;             /* the result: planes of p x q */
    void *y; int64_t *indices;                /* contiguous; indices (maximum only) or NULL: row * w + column of the choice */
    int64_t count_pad, divisor;               /* mean only: whether the border counts; the divisor, or 0: the window's size */
    void *scratch;                            /* snn_pool_scratch numbers */
} snn_pool;

/* How max_pool lays its work out: `columns` of the result at once; a row of the input takes `pitch` numbers for them in a copy of at most
 * `rows` rows, and its maxima over windows' columns `line` numbers of `lines` such lines. */
typedef struct snn_max_pool_layout {
    int64_t columns, pitch, line, rows, lines;
} snn_max_pool_layout;
static inline __attribute__((always_inline)) snn_max_pool_layout snn_max_pool_lay_out(
    int64_t kernel_h, int64_t kernel_w, int64_t stride_w, int64_t dilation_w, int64_t q) {
    snn_max_pool_layout a;
    a.columns = q < 512 ? q : 512;
    a.line = ((a.columns - 1) * stride_w + (kernel_w - 1) * dilation_w + stride_w) / stride_w;
    a.pitch = a.line * stride_w;
    a.rows = a.pitch < 2048 ? 2048 / a.pitch : 1;
    a.lines = kernel_h + 2 * a.rows;
    return a;
}
static inline __attribute__((always_inline)) int64_t snn_pool_scratch(
    int64_t kernel_h, int64_t kernel_w, int64_t stride_w, int64_t dilation_w, int64_t w, int64_t q) {
    snn_max_pool_layout a = snn_max_pool_lay_out(kernel_h, kernel_w, stride_w, dilation_w, q);
    int64_t copy = a.rows * a.pitch + 16 * stride_w + kernel_w * dilation_w + 16;
    int64_t max = a.columns + 16 + 2 * (a.lines * a.line + 16) + copy, mean = (q + 15) / 16 * 16 + w;
    return max > mean ? max : mean;
}

/* The gradient of a plane (h, w) from those of its maxima in windows of 2 by 2, a vector of them (p, q) in a row at least: dx[places[i]] =
 * dy[i], zero elsewhere. */
typedef struct snn_max_pool_pairs {
    int64_t h, w, p, q;
    const void *dy;
    const int64_t *places;
    void *dx;
} snn_max_pool_pairs;

/* A recurrent layer's weight (gates * units, k) in strips: for every k, one vector (16 float or 8 double) of units of each gate, or with
 * one gate up to four vectors of units; zeros behind the last unit. The vectors of a strip alternate where the level's strip_vectors is more
 * than one; else the first one's of 256 k come first, then the second one's. The last strip of four gates is one vector where its units are
 * a quarter of one at most: gate j's in quarter j. Strip `first` and the count - 1 after it go to dst. */
typedef struct snn_strip_pack {
    const void *src; int64_t rs, ks;
    int64_t gates, units, k;
    int64_t first, count;
    void *dst;
} snn_strip_pack;

/* sums[i] = start[i] + a[i] W^T for rows of a (k numbers, lda apart) and units of W in strips, columns in the order of the strips; then, with
 * mode >= 0, the cell: y[i] from the sums (LSTM: and c, which is replaced; GRU: and h, which has a's rows; its sums of the candidate begin
 * with `candidate`, a row in the order of units, and start's are added after the reset gate). */
typedef struct snn_recurrent {
    int64_t mode;                             /* SNN_RNN_TANH ... SNN_GRU, or -1: sums only */
    int64_t gates, units, rows, k;
    const void *a; int64_t lda;
    const void *w;
    const void *start; int64_t ld_start;      /* ld_start 0: one row for all */
    const void *candidate;
    int64_t reverse;                          /* the last strip first */
    void *sums; int64_t ld_sums;              /* with a cell: scratch for 4 vectors a row, for at least 2 rows */
    const void *h;
    void *c; int64_t ldc;                     /* whole vectors of units */
    void *y; int64_t ldy;
    /* What the derivative of a cell needs, or NULL: LSTM i, f, g, o, c' (activated), GRU r, z, n, W_hn h + b_hn, gate_stride apart; RNN nothing. */
    void *saved; int64_t ld_saved, gate_stride;
} snn_recurrent;

/* The derivative of a cell for rows of the batch: from dh + dy, the gradient of the state after the step, and (LSTM) dc those of the sums.
 * dh's rows are whole vectors of units, as those of dc. */
typedef struct snn_recurrent_backward {
    int64_t mode, units, rows;
    const void *saved; int64_t ld_saved, gate_stride; /* as above; RNN: y */
    const void *before; int64_t ld_before;    /* the state before the step: LSTM c, GRU h */
    const void *dy; int64_t ldy;              /* or NULL */
    void *dh; int64_t ldh;                    /* GRU: replaced by z dh, what the state before gets past W_hh */
    void *dc; int64_t ldc;                    /* LSTM: replaced by that of the state before */
    void *dgates; int64_t ldg;                /* of the sums, gate_stride apart; GRU: the third is that of W_hn h + b_hn */
    void *dcandidate; int64_t ldn;            /* GRU: of W_in x + b_in */
    void *full; int64_t ld_full;              /* LSTM: o tanh(c'), the state before its projection; or NULL */
} snn_recurrent_backward;

/* Softmax down the columns of x (n rows of `width` numbers, width whole vectors), without the division: x = exp(x' - max of column),
 * x' = x + mask + bias[row], -inf in rows limit + column and beyond; inverse = 1 / sum, 0 for a column of -inf. With keep, the
 * probabilities that dropout leaves: x = x inverse keep, 0 where keep is 0, and inverse = 1. */
typedef struct snn_softmax_columns {
    void *x; int64_t n, width, stride;        /* rows `stride` apart, as in mask and keep */
    const void *mask;                         /* or NULL */
    const void *bias;                         /* n numbers or NULL */
    int64_t limit;                            /* n or more: every row counts in every column */
    const void *keep;                         /* dropout's factors, or NULL */
    void *inverse;                            /* width numbers */
    void *log_sum_exp;                        /* width numbers, -inf for a column of -inf; or NULL */
} snn_softmax_columns;

/* The probabilities once more, p = exp(x' - log_sum_exp) with x' as above, x = p keep; and the gradient of the scores from that of x:
 * dx = p (dx keep - sum of p dx keep down the column), 0 where p is. */
typedef struct snn_softmax_columns_backward {
    void *x; int64_t n, width, stride;        /* rows `stride` apart, as in mask, keep and dx */
    const void *mask, *bias;                  /* or NULL */
    int64_t limit;
    const void *keep;                         /* or NULL */
    const void *log_sum_exp;                  /* width numbers, -inf for a column of -inf */
    void *dx;
} snn_softmax_columns_backward;

/* max and log(sum exp(x - max)) down the columns of x, and the sum of w[row] (x - max - log) unless w is NULL. */
typedef struct snn_log_sum_exp_columns {
    const void *x; int64_t rows, stride, n;   /* n columns */
    const void *w;                            /* a number for each row */
    void *max, *log, *weighted;               /* n numbers each */
} snn_log_sum_exp_columns;

/* y = scale exp(x - shift) - less w, for a row of n numbers. Where `each`, shift, scale and less have n numbers and w one; else w has n. */
typedef struct snn_exp_row {
    const void *x; int64_t n;
    const void *shift, *scale;
    const void *less, *w;                     /* or NULL */
    int64_t each;
    void *y;
} snn_exp_row;

/* What a pointwise loss computes. */
enum { SNN_LOSS_VALUE = 0, SNN_LOSS_DX = 1, SNN_LOSS_DTARGET = 2 };

/* One optimizer step for n numbers, in place. g = grad, negated with SNN_MAXIMIZE, + decay * param with SNN_DECAY. A state that is not there
 * is NULL and has no flag.
 * SGD      state 1: momentum. a: momentum, b: dampening; SNN_FIRST: the state is g
 * ADAM     states: mean, mean of squares, their maximum (amsgrad). a, b: betas; lr: step size; correction: sqrt(1 - b^step);
 *          SNN_DECOUPLED: param *= shrink first
 * RMSPROP  states: mean of squares, momentum, mean (centered). a: momentum, b: alpha
 * ADAGRAD  state 1: sum of squares */
enum { SNN_SGD = 0, SNN_ADAM = 1, SNN_RMSPROP = 2, SNN_ADAGRAD = 3 };
enum {
    SNN_MAXIMIZE = 1, SNN_DECAY = 2, SNN_DECOUPLED = 4, SNN_NESTEROV = 8, SNN_FIRST = 16, SNN_STATE_1 = 32, SNN_STATE_2 = 64, SNN_STATE_3 = 128,
};
typedef struct snn_optimizer_step {
    int64_t kind, flags, n;
    void *param;
    const void *grad;
    void *states[3];
    double lr, decay, shrink, a, b, eps, correction;
} snn_optimizer_step;
/* Means over a grid of p x q windows on contiguous planes. */
typedef struct snn_adaptive_pool {
    const void *x; int64_t cs;                /* the first plane and their distance */
    int64_t h, w, planes, p, q;
    void *y;
    void *scratch;                            /* w numbers */
} snn_adaptive_pool;

/* A row's gradients of y = (x - mean) * rstd * weight + bias, mean (where center) and rstd taken from the row itself. */
typedef struct snn_normalize_backward {
    const void *dy, *x;
    const void *weight;                       /* or NULL */
    int64_t n, center;
    double mean, rstd;
    void *dx;
    void *dweight, *dbias;                    /* added to; or NULL */
} snn_normalize_backward;

/* y = b (x - center) + c + a dy; without a dy where dy is NULL. */
typedef struct snn_affine {
    const void *dy, *x;
    const void *a, *b, *center, *c;           /* n numbers each where `each`, else one */
    int64_t each, n;
    void *y;
} snn_affine;

/* sums += dy and dots += dy (x - center), row by row of n numbers; without dy dots += (x - center)^2. sums or dots may be NULL. */
typedef struct snn_column_sums {
    int64_t rows, n;
    const void *dy; int64_t ldy;
    const void *x; int64_t ldx;
    const void *center;                       /* n numbers */
    void *sums, *dots;
} snn_column_sums;

/* y[j] = (sum over i in order of scales[i] table[rows[i]*stride + j]) / divisor for n numbers, one fused multiply-add each. */
typedef struct snn_row_sum {
    const void *table; int64_t stride, n;
    const int64_t *rows; int64_t count;       /* at least one */
    const void *scales;                       /* count numbers, or NULL: ones */
    double divisor;
    void *y;
} snn_row_sum;

/* What up to SNN_SIGHTS points see of an image with dims dimensions, the last one first. Tap t of point i is at t*SNN_SIGHTS + i; n is a
 * multiple of the lanes. */
enum { SNN_SIGHTS = 128 };
typedef struct snn_sights {
    const void *coordinates;                  /* of dimension d at d*SNN_SIGHTS */
    int64_t dims, n;
    int64_t mode, padding, align_corners;     /* as grid_sample_forward's; dims 3: not bicubic */
    int64_t size[3], step[3];                 /* of each dimension, below 2^31, and what lies between neighbours */
    void *places;                             /* out: the taps, as distances from the image's first pixel (an integer as wide as a number) */
    void *weights;                            /* out: 0 where the pixel is outside, whose place is then one inside */
    void *slopes;                             /* out: the weights' derivatives by coordinate d at d*taps*SNN_SIGHTS, or NULL */
    void *axes;                               /* scratch for dims*12*SNN_SIGHTS numbers */
} snn_sights;
/* Sums over the taps of n points. */
typedef struct snn_sight_sums {
    const void *places, *weights;
    int64_t taps, n;
    const void *from;                         /* the image */
    void *to;
} snn_sight_sums;

typedef struct snn_dropout {
    uint64_t key, index; /* the seed, and the number of x[0]'s word */
    uint32_t threshold;  /* words from here on keep their number */
    double scale;
    const void *x;       /* or NULL: ones, which makes y the factors */
    void *y;
    int64_t n;
} snn_dropout;

typedef struct snn_kernels {
    int64_t mr, nr;
    int64_t wide_columns;                                                       /* of three panels, where tiles take three vectors of 24 rows and more (pixels in place: 16); else 0 */
    int64_t lanes;                                                              /* numbers of a vector, the same on every level */
    int64_t strip_vectors;                                                      /* of a strip, that a tile takes at once */
    void (*gemm_block)(const snn_gemm_block *);
    void (*small_product)(const snn_small_product *);
    void (*pack)(const snn_pack *);
    void (*im2col)(const snn_im2col *);
    void (*pad)(const snn_pad *);
    void (*winograd_input)(const snn_winograd_row *);                           /* planes from the image */
    void (*winograd_product)(const snn_winograd_product *);
    void (*winograd_output)(const snn_winograd_row *);                          /* the image from planes */
    /* one vector of filters, element (c, r, s) at x[((c*3 + r)*3 + s)*lanes], to panels y[plane*(i*6 + j) + c*lanes] */
    void (*winograd_filter)(const void *x, int64_t channels, void *y, int64_t plane);
    /* Transposes: vectors of filters, vector v of channel c at x[v*panel + c*lanes], to panels of channels, number c of filter o at
       y[(c / lanes * depth + o)*lanes + c % lanes]; zero for the channels that fill up the last panel. depth: filters */
    void (*winograd_turn)(const void *x, int64_t panel, int64_t channels, int64_t depth, void *y);
    void (*winograd_gradient)(const snn_winograd_row *);                        /* planes from the result's gradient, window 4 by 4*tiles */
    void (*winograd_outer)(const snn_winograd_outer *);
    /* the filters' gradient from planes x[plane*(i*6 + j) + c*row], a vector of filters, to y[o*y_row + c*9 + r*3 + s] of `filters` filters, at
     * most a vector; scratch for 9*channels vectors */
    void (*winograd_filter_gradient)(
        const void *x, int64_t plane, int64_t row, int64_t channels, int64_t filters, void *scratch, void *y, int64_t y_row);
    void (*winograd_line)(const snn_winograd_line *);
    void (*winograd_line_product)(const snn_winograd_line_product *);
    void (*depthwise)(const snn_depthwise *);
    void (*depthwise_gradient)(const snn_depthwise_gradient *);
    void (*copy)(const void *x, int64_t stride, void *y, int64_t n);            /* y[i] = x[i*stride] */
    void (*copy_rows)(const void *x, int64_t xs, void *y, int64_t ys, int64_t rows, int64_t n); /* y = x for rows xs and ys apart */
    void (*transpose)(const void *x, int64_t xs, void *y, int64_t ys, int64_t rows, int64_t n); /* y[j*ys + i] = x[i*xs + j] for rows i of n numbers */
    void (*unary)(int64_t kind, double alpha, double beta, const void *x, void *y, int64_t n); /* x may be y */
    void (*stream)(const void *x, void *y, int64_t n);                          /* y = x past the caches, y aligned to 64 bytes; then snn_stream_end */
    /* dx = dy f'(.), s: f's input or result (RowsBackward.swift says which); dx may be dy or s */
    void (*unary_backward)(int64_t kind, double alpha, double beta, const void *dy, const void *s, void *dx, int64_t n);
    void (*add)(const void *a, const void *b, void *y, int64_t n);              /* y = a + b; any may be the same */
    /* y = a b by kind (SNN_ADD ...); as, bs: 1, or 0 for one number instead of n; y may be a or b */
    void (*combine)(int64_t kind, const void *a, int64_t as, const void *b, int64_t bs, void *y, int64_t n);
    void (*add_rows)(const void *x, int64_t xs, void *y, int64_t ys, int64_t rows, int64_t n); /* y += x for rows xs and ys apart */
    void (*scale_shift)(const void *x, double scale, double shift, void *y, int64_t n); /* y = x*scale + shift, in T */
    double (*dot)(const void *a, const void *b, int64_t n);
    double (*sum)(const void *x, int64_t n);
    void (*moments)(const void *x, int64_t n, double *mean, double *variance);  /* biased; two passes */
    double (*mean_square)(const void *x, int64_t n);
    void (*normalize)(const void *x, double mean, double rstd, const void *weight, const void *bias, void *y, int64_t n); /* weight, bias or NULL */
    void (*normalize_backward)(const snn_normalize_backward *);
    void (*centered_sums)(const void *dy, const void *x, double center, int64_t n, double *sum, double *dot); /* sums of dy and dy (x - center) */
    void (*affine)(const snn_affine *);
    void (*column_sums)(const snn_column_sums *);
    void (*sum_rows)(const snn_row_sum *);
    double (*negative_dot)(const void *dy, const void *x, int64_t n);           /* sum of dy x where x is not above 0 */
    void (*softmax)(const void *x, void *y, int64_t n, int64_t kind);           /* 0 softmax, 1 its logarithm, 2 exp(x - max) alone, zeros from a row of -inf */
    void (*softmax_backward)(const void *dy, const void *y, void *dx, int64_t n, int64_t log);
    void (*softmax_columns)(const snn_softmax_columns *);
    void (*softmax_columns_backward)(const snn_softmax_columns_backward *);
    void (*mask_add)(void *x, const void *mask, int64_t n);                     /* x += mask */
    void (*mask_block)(void *x, const uint8_t *mask, int64_t stride, int64_t n); /* x = mask ? -inf : x */
    void (*scale)(void *x, double factor, int64_t n);
    double (*multiply_adds)(int64_t rounds);                                     /* a round: 12 vectors of nr / 2 numbers (see Peak.swift) */
    void (*pack_strips)(const snn_strip_pack *);
    void (*recurrent)(const snn_recurrent *);
    void (*recurrent_backward)(const snn_recurrent_backward *);
    void (*max_pool)(const snn_pool *);
    int64_t (*max_pool_pairs)(const snn_max_pool_pairs *); /* 0: some place is not in its window; dx is to be made in another way */
    void (*avg_pool)(const snn_pool *);
    void (*adaptive_avg_pool)(const snn_adaptive_pool *);
    /* max, log(sum exp(x - max)), sum of w (x - max - log) where w is not NULL */
    void (*log_sum_exp)(const void *x, const void *w, int64_t n, double out[3]);
    void (*log_sum_exp_columns)(const snn_log_sum_exp_columns *);
    void (*exp_row)(const snn_exp_row *);
    void (*multiply)(const void *a, const void *b, void *y, int64_t n);         /* y = a * b; any may be the same */
    /* kind: snn_loss; part: SNN_LOSS_VALUE...; returns whether every x may be what it is */
    int64_t (*pointwise_loss)(int64_t kind, int64_t part, double alpha, const void *x, const void *target, const void *pos_weight, void *y, int64_t n);
    /* y[s] = log(exp(x[s]) + exp(x[s-1]) + exp(x[s-2] + skip[s])) + emit[s] */
    void (*ctc_step)(const void *x, const void *skip, const void *emit, void *y, int64_t n);
    void (*optimizer_step)(const snn_optimizer_step *);
    double (*absolutes)(const void *x, int64_t n, int64_t largest);             /* sum |x| or max |x| */
    void (*dropout)(const snn_dropout *);
    void (*look)(const snn_sights *);
    void (*sample)(const snn_sight_sums *);      /* to[i] = the sum of weights times pixels, those of weight 0 left out */
    void (*correlate)(const snn_sight_sums *);   /* to[t*SNN_SIGHTS + i] += weights[i] times the pixel of tap t */
    /* image[places] += weights times from[i], those of weight 0 left out, tap after tap */
    void (*scatter)(const snn_sight_sums *);
    /* the words of blocks first, first + 1, ... of a stream, four each; room for a multiple of eight blocks */
    void (*random_words)(uint64_t key, uint64_t first, uint32_t stream, uint32_t *words, int64_t blocks);
} snn_kernels;

void snn_kernels_base(snn_kernels *f32, snn_kernels *f64);
void snn_kernels_avx2(snn_kernels *f32, snn_kernels *f64);
void snn_kernels_avx512(snn_kernels *f32, snn_kernels *f64);
void snn_kernels_neon(snn_kernels *f32, snn_kernels *f64);

#endif
