"""Plain NumPy float64 writing of every layer, by the operations of this package.

A function has the name of the layer. It takes the state dict, then what forward takes, then (keyword only) what the constructor
takes, with torch.nn's defaults; it computes what the layer does in eval mode unless `training` is given.
"""

from __future__ import annotations

import math

import numpy as np

from . import arrangement, distance, losses
from . import constants as k
from .activation import activation_forward, prelu_forward, sigmoid
from .arrays import real
from .attention import attention_forward
from .conv import conv_forward, conv_transpose_forward
from .embedding import embedding_bag, embedding_forward
from .interpolate import resize
from .linear import bilinear_forward, linear_forward
from .normalization import batch_norm_forward, batch_stats_forward, group_norm_forward, layer_norm_forward, rms_norm_forward
from .padding import pad_forward
from .pooling import (
    adaptive_avg_pool_forward,
    adaptive_max_pool_forward,
    avg_pool_forward,
    fold_forward,
    fractional_max_pool,
    lp_pool,
    max_pool_forward,
    max_unpool_forward,
    unfold_forward,
)
from .rnn import rnn_cell_forward, rnn_forward
from .softmax import softmax_forward


def _tuple(value, count):
    if isinstance(value, (int, np.integer)):
        return (int(value),) * count
    return tuple(value) * (count if len(tuple(value)) == 1 else 1)


def Identity(p, input, *args, **kwargs):
    return input


def Linear(p, input, *, in_features, out_features, bias=True):
    return linear_forward(input, p["weight"], p.get("bias"))


def Bilinear(p, input1, input2, *, in1_features, in2_features, out_features, bias=True):
    return bilinear_forward(input1, input2, p["weight"], p.get("bias"))


def Embedding(
    p, input, *, num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False
):
    return embedding_forward(input, p["weight"])


def EmbeddingBag(
    p, input, offsets=None, per_sample_weights=None, *, num_embeddings, embedding_dim, max_norm=None, norm_type=2.0,
    scale_grad_by_freq=False, mode="mean", sparse=False, include_last_offset=False, padding_idx=None,
):  # fmt: skip
    return embedding_bag(input, p["weight"], offsets, mode, per_sample_weights, include_last_offset, padding_idx)


def _conv(dims, p, input, kernel_size, stride, padding, dilation, groups, padding_mode):
    kernel, stride, dilation = _tuple(kernel_size, dims), _tuple(stride, dims), _tuple(dilation, dims)
    if padding == "same":
        total = [d * (r - 1) for d, r in zip(dilation, kernel)]
        sides = [(t // 2, t - t // 2) for t in total]
    else:
        padding = _tuple(0 if padding == "valid" else padding, dims)
        sides = list(zip(padding[0::2], padding[1::2])) if len(padding) == 2 * dims else [(b, b) for b in padding]
    flat = tuple(b for pair in sides for b in pair)
    if padding_mode != "zeros":
        mode = {"reflect": k.PAD_REFLECT, "replicate": k.PAD_REPLICATE, "circular": k.PAD_CIRCULAR}[padding_mode]
        input = pad_forward(input, tuple(b for pair in reversed(sides) for b in pair), mode)
        flat = (0,) * (2 * dims)
    return conv_forward(input, p["weight"], p.get("bias"), stride, flat, dilation, groups)


def Conv1d(p, input, *, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, padding_mode="zeros"):
    return _conv(1, p, input, kernel_size, stride, padding, dilation, groups, padding_mode)


def Conv2d(p, input, *, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, padding_mode="zeros"):
    return _conv(2, p, input, kernel_size, stride, padding, dilation, groups, padding_mode)


def Conv3d(p, input, *, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, padding_mode="zeros"):
    return _conv(3, p, input, kernel_size, stride, padding, dilation, groups, padding_mode)


def _conv_transpose(dims, p, input, kernel_size, stride, padding, output_padding, dilation, groups):
    options = (_tuple(v, dims) for v in (stride, padding, output_padding, dilation))
    return conv_transpose_forward(input, p["weight"], p.get("bias"), *options, groups)


def ConvTranspose1d(
    p, input, *, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True, dilation=1
):
    return _conv_transpose(1, p, input, kernel_size, stride, padding, output_padding, dilation, groups)


def ConvTranspose2d(
    p, input, *, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True, dilation=1
):
    return _conv_transpose(2, p, input, kernel_size, stride, padding, output_padding, dilation, groups)


def ConvTranspose3d(
    p, input, *, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True, dilation=1
):
    return _conv_transpose(3, p, input, kernel_size, stride, padding, output_padding, dilation, groups)


def _max_pool(dims, input, kernel_size, stride, padding, dilation, return_indices, ceil_mode):
    kernel = _tuple(kernel_size, dims)
    stride = kernel if stride is None else _tuple(stride, dims)
    y, indices = max_pool_forward(input, kernel, stride, _tuple(padding, dims), _tuple(dilation, dims), ceil_mode, True)
    return (y, indices) if return_indices else y


def MaxPool1d(p, input, *, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
    return _max_pool(1, input, kernel_size, stride, padding, dilation, return_indices, ceil_mode)


def MaxPool2d(p, input, *, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
    return _max_pool(2, input, kernel_size, stride, padding, dilation, return_indices, ceil_mode)


def MaxPool3d(p, input, *, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
    return _max_pool(3, input, kernel_size, stride, padding, dilation, return_indices, ceil_mode)


def _max_unpool(dims, input, indices, kernel_size, stride, padding, output_size):
    kernel = _tuple(kernel_size, dims)
    stride, padding = kernel if stride is None else _tuple(stride, dims), _tuple(padding, dims)
    size = [(n - 1) * s - 2 * b + r for n, s, b, r in zip(np.shape(input)[-dims:], stride, padding, kernel)]
    return max_unpool_forward(input, indices, tuple(size if output_size is None else output_size[-dims:]))


def MaxUnpool1d(p, input, indices, output_size=None, *, kernel_size, stride=None, padding=0):
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def MaxUnpool2d(p, input, indices, output_size=None, *, kernel_size, stride=None, padding=0):
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def MaxUnpool3d(p, input, indices, output_size=None, *, kernel_size, stride=None, padding=0):
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _avg_pool(dims, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor):
    kernel = _tuple(kernel_size, dims)
    stride = kernel if stride is None else _tuple(stride, dims)
    return avg_pool_forward(input, kernel, stride, _tuple(padding, dims), ceil_mode, count_include_pad, divisor or 0)


def AvgPool1d(p, input, *, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, 0)


def AvgPool2d(p, input, *, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def AvgPool3d(p, input, *, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _lp_pool(dims, input, norm_type, kernel_size, stride, ceil_mode):
    kernel = _tuple(kernel_size, dims)
    return lp_pool(input, float(norm_type), kernel, kernel if stride is None else _tuple(stride, dims), ceil_mode)


def LPPool1d(p, input, *, norm_type, kernel_size, stride=None, ceil_mode=False):
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def LPPool2d(p, input, *, norm_type, kernel_size, stride=None, ceil_mode=False):
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def LPPool3d(p, input, *, norm_type, kernel_size, stride=None, ceil_mode=False):
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def _fractional_max_pool(dims, p, input, kernel_size, output_size, output_ratio, return_indices):
    size = np.shape(input)[-dims:]
    if output_size is None:
        output_size = [int(h * r) for h, r in zip(size, [output_ratio] * dims if isinstance(output_ratio, float) else output_ratio)]
    samples = p.get("_random_samples")
    if samples is None:
        # Where the only window of a plane lies needs no number.
        assert set(_tuple(output_size, dims)) == {1} or 0 in np.shape(input)
        samples = np.zeros((*((1, *np.shape(input))[-dims - 2 : -dims]), dims))
    y, indices = fractional_max_pool(input, _tuple(kernel_size, dims), _tuple(output_size, dims), samples)
    return (y, indices) if return_indices else y


def FractionalMaxPool2d(p, input, *, kernel_size, output_size=None, output_ratio=None, return_indices=False):
    return _fractional_max_pool(2, p, input, kernel_size, output_size, output_ratio, return_indices)


def FractionalMaxPool3d(p, input, *, kernel_size, output_size=None, output_ratio=None, return_indices=False):
    return _fractional_max_pool(3, p, input, kernel_size, output_size, output_ratio, return_indices)


def _adaptive_size(dims, output_size):
    size = (output_size,) * dims if output_size is None or isinstance(output_size, int) else output_size
    return tuple(-1 if s is None else s for s in size)


def _adaptive(dims, input, output_size):
    return adaptive_avg_pool_forward(input, _adaptive_size(dims, output_size))


def _adaptive_max(dims, input, output_size, return_indices):
    y, indices = adaptive_max_pool_forward(input, _adaptive_size(dims, output_size), True)
    return (y, indices) if return_indices else y


def AdaptiveMaxPool1d(p, input, *, output_size, return_indices=False):
    return _adaptive_max(1, input, output_size, return_indices)


def AdaptiveMaxPool2d(p, input, *, output_size, return_indices=False):
    return _adaptive_max(2, input, output_size, return_indices)


def AdaptiveMaxPool3d(p, input, *, output_size, return_indices=False):
    return _adaptive_max(3, input, output_size, return_indices)


def AdaptiveAvgPool1d(p, input, *, output_size):
    return _adaptive(1, input, output_size)


def AdaptiveAvgPool2d(p, input, *, output_size):
    return _adaptive(2, input, output_size)


def AdaptiveAvgPool3d(p, input, *, output_size):
    return _adaptive(3, input, output_size)


def Unfold(p, input, *, kernel_size, dilation=1, padding=0, stride=1):
    return unfold_forward(input, *(_tuple(v, 2) for v in (kernel_size, dilation, padding, stride)))


def Fold(p, input, *, output_size, kernel_size, dilation=1, padding=0, stride=1):
    return fold_forward(input, *(_tuple(v, 2) for v in (output_size, kernel_size, dilation, padding, stride)))


def Upsample(p, input, *, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None, antialias=False):
    dims = np.ndim(input) - 2
    scales = (0.0,) * dims
    if size is None:
        factors = (scale_factor,) * dims if isinstance(scale_factor, (int, float)) else tuple(scale_factor)
        size = tuple(math.floor(h * f) for h, f in zip(np.shape(input)[2:], factors))
        scales = (0.0,) * dims if recompute_scale_factor else factors
    if mode == "area":
        return _adaptive(dims, input, size)
    name = mode.replace("trilinear", "linear").replace("bilinear", "linear").replace("linear", "bilinear") + " smooth" * antialias
    kind = getattr(k, name.upper().replace("-", "_").replace(" ", "_"))
    y, type_ = real(input), np.float32 if np.asarray(input).dtype == np.float32 else np.float64
    for axis, out, scale in zip(range(2, 2 + dims), _tuple(size, dims), scales):
        y = resize(y, axis, out, kind, bool(align_corners), scale, type_)
    return y


def UpsamplingNearest2d(p, input, *, size=None, scale_factor=None):
    return Upsample(p, input, size=size, scale_factor=scale_factor, mode="nearest")


def UpsamplingBilinear2d(p, input, *, size=None, scale_factor=None):
    return Upsample(p, input, size=size, scale_factor=scale_factor, mode="bilinear", align_corners=True)


def _pad(dims, mode):
    def layer(p, input, *, padding, value=0.0):
        return pad_forward(input, _tuple(padding, 2 * dims), mode, value)

    return layer


ZeroPad1d, ZeroPad2d, ZeroPad3d = (_pad(dims, k.PAD_CONSTANT) for dims in (1, 2, 3))
ConstantPad1d, ConstantPad2d, ConstantPad3d = (_pad(dims, k.PAD_CONSTANT) for dims in (1, 2, 3))
ReflectionPad1d, ReflectionPad2d, ReflectionPad3d = (_pad(dims, k.PAD_REFLECT) for dims in (1, 2, 3))
ReplicationPad1d, ReplicationPad2d, ReplicationPad3d = (_pad(dims, k.PAD_REPLICATE) for dims in (1, 2, 3))
CircularPad1d, CircularPad2d, CircularPad3d = (_pad(dims, k.PAD_CIRCULAR) for dims in (1, 2, 3))


def _elementwise(kind, **names):
    """A layer of one activation; names: its constructor's arguments and their defaults, in the order of (alpha, beta)."""

    def layer(p, input, *, inplace=False, **given):
        values = [*{**names, **given}.values(), 0.0, 0.0]
        return activation_forward(input, kind, values[0], values[1])

    return layer


ReLU = _elementwise(k.RELU)
ReLU6 = _elementwise(k.RELU6)
LeakyReLU = _elementwise(k.LEAKY_RELU, negative_slope=0.01)
ELU = _elementwise(k.ELU, alpha=1.0)
SELU = _elementwise(k.SELU)
SiLU = _elementwise(k.SILU)
Mish = _elementwise(k.MISH)
Sigmoid = _elementwise(k.SIGMOID)
Tanh = _elementwise(k.TANH)
Softplus = _elementwise(k.SOFTPLUS, beta=1.0, threshold=20.0)
Hardswish = _elementwise(k.HARDSWISH)
Hardtanh = _elementwise(k.HARDTANH, min_val=-1.0, max_val=1.0)
Hardsigmoid = _elementwise(k.HARDSIGMOID)
LogSigmoid = _elementwise(k.LOGSIGMOID)
Softsign = _elementwise(k.SOFTSIGN)
CELU = _elementwise(k.CELU, alpha=1.0)
Threshold = _elementwise(k.THRESHOLD, threshold=0.0, value=0.0)
Hardshrink = _elementwise(k.HARDSHRINK, lambd=0.5)
Softshrink = _elementwise(k.SOFTSHRINK, lambd=0.5)


def Tanhshrink(p, input):
    return real(input) - np.tanh(real(input))


def RReLU(p, input, *, lower=1 / 8, upper=1 / 3, inplace=False, training=False):
    """Without random numbers: in eval mode, or with one slope to choose from"""
    return activation_forward(input, k.LEAKY_RELU, (lower + upper) / 2)


def GELU(p, input, *, approximate="none"):
    return activation_forward(input, k.GELU_TANH if approximate == "tanh" else k.GELU)


def GLU(p, input, *, dim=-1):
    """a σ(b), a and b the halves of input"""
    a, b = np.split(real(input), 2, axis=dim)
    return a * sigmoid(b)


def PReLU(p, input, *, num_parameters=1, init=0.25):
    return prelu_forward(input, p["weight"])


def _softmax_axis(dim, ndim):
    return dim if dim is not None else (0 if ndim in (0, 1, 3) else 1)


def Softmax(p, input, *, dim=None):
    return softmax_forward(input, _softmax_axis(dim, np.ndim(input)), 0)


def LogSoftmax(p, input, *, dim=None):
    return softmax_forward(input, _softmax_axis(dim, np.ndim(input)), 1)


def Softmin(p, input, *, dim=None):
    return softmax_forward(-real(input), _softmax_axis(dim, np.ndim(input)), 0)


def Softmax2d(p, input):
    return softmax_forward(input, -3, 0)


def Dropout(p, input, /, *, inplace=False, **probability):
    return input


Dropout1d = Dropout2d = Dropout3d = AlphaDropout = FeatureAlphaDropout = Dropout


def Flatten(p, input, *, start_dim=1, end_dim=-1):
    shape = np.shape(input)
    if not shape:
        return np.reshape(input, (1,))
    start, end = start_dim % len(shape), end_dim % len(shape)
    return np.reshape(input, shape[:start] + (math.prod(shape[start : end + 1]),) + shape[end + 1 :])


def Unflatten(p, input, *, dim, unflattened_size):
    shape = np.shape(input)
    dim %= len(shape)
    sizes = tuple(unflattened_size)
    if -1 in sizes:
        known = -math.prod(sizes)
        sizes = tuple(shape[dim] // known if s == -1 else s for s in sizes)
    return np.reshape(input, shape[:dim] + sizes + shape[dim + 1 :])


def PixelShuffle(p, input, *, upscale_factor):
    return arrangement.pixel_shuffle(input, upscale_factor)


def PixelUnshuffle(p, input, *, downscale_factor):
    return arrangement.pixel_unshuffle(input, downscale_factor)


def ChannelShuffle(p, input, *, groups):
    return arrangement.channel_shuffle(input, groups)


def CosineSimilarity(p, x1, x2, *, dim=1, eps=1e-8):
    return distance.cosine_similarity(x1, x2, dim, eps)


def PairwiseDistance(weights, x1, x2, /, *, p=2.0, eps=1e-6, keepdim=False):
    return distance.pairwise_distance(x1, x2, p, eps, keepdim)


def Sequential(p, input, *, layers):
    """layers: (name, options) of each."""
    for i, (name, options) in enumerate(layers):
        input = globals()[name](_under(p, str(i)), input, **options)
    return input


def LayerNorm(p, input, *, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True):
    return layer_norm_forward(input, _tuple(normalized_shape, 1), p.get("weight"), p.get("bias"), eps)


def LocalResponseNorm(p, input, *, size, alpha=1e-4, beta=0.75, k=1.0):
    squares = real(input) ** 2
    channels = squares.shape[1]
    window = [slice(max(0, c - size // 2), c + (size - 1) // 2 + 1) for c in range(channels)]
    sums = np.stack([squares[:, w].sum(1) for w in window], 1) if squares.size else squares
    return real(input) / (k + alpha / size * sums) ** beta


def CrossMapLRN2d(p, input, *, size, alpha=1e-4, beta=0.75, k=1.0):
    """As many channels on either side; of an even size one fewer than it says"""
    reach = (size - 1) // 2
    return LocalResponseNorm(p, input, size=2 * reach + 1, alpha=alpha * (2 * reach + 1) / size, beta=beta, k=k)


def RMSNorm(p, input, *, normalized_shape, eps=None, elementwise_affine=True):
    eps = float(np.finfo(np.asarray(input).dtype).eps) if eps is None else eps
    return rms_norm_forward(input, _tuple(normalized_shape, 1), p.get("weight"), eps)


def GroupNorm(p, input, *, num_groups, num_channels, eps=1e-5, affine=True):
    return group_norm_forward(input, num_groups, p.get("weight"), p.get("bias"), eps)


def BatchNorm1d(p, input, *, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, training=False):
    if training or not track_running_stats:
        mean, variance = batch_stats_forward(input)
    else:
        mean, variance = p["running_mean"], p["running_var"]
    return batch_norm_forward(input, mean, variance, p.get("weight"), p.get("bias"), eps)


BatchNorm2d = BatchNorm3d = SyncBatchNorm = BatchNorm1d


def _instance_norm(dims):
    def layer(p, input, *, num_features, eps=1e-5, momentum=0.1, affine=False, track_running_stats=False, training=False):
        if np.ndim(input) == dims + 1:
            options = dict(num_features=num_features, eps=eps, affine=affine, track_running_stats=track_running_stats, training=training)
            return layer(p, np.asarray(input)[None], **options)[0]
        if track_running_stats and not training:
            return batch_norm_forward(input, p["running_mean"], p["running_var"], p.get("weight"), p.get("bias"), eps)
        return group_norm_forward(input, np.shape(input)[1], p.get("weight"), p.get("bias"), eps)

    return layer


InstanceNorm1d, InstanceNorm2d, InstanceNorm3d = (_instance_norm(dims) for dims in (1, 2, 3))


# Recurrent


def _recurrent(p, mode, input, hx, num_layers, bidirectional, batch_first, batch_sizes=None):
    directions = 2 if bidirectional else 1
    weights = []
    for layer in range(num_layers):
        for suffix in ("", "_reverse")[:directions]:
            for stem in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"):
                weights.append(p.get(f"{stem}_l{layer}{suffix}"))
    h0, c0 = hx if isinstance(hx, tuple) else (hx, None)
    unbatched = batch_sizes is None and np.ndim(input) == 2
    if unbatched:
        input, batch_first = np.asarray(input)[:, None], False
        h0, c0 = (None if s is None else np.asarray(s)[:, None] for s in (h0, c0))
    y, hn, cn = rnn_forward(mode, input, h0, c0, weights, num_layers, bidirectional, batch_first and batch_sizes is None, batch_sizes)
    if unbatched:
        y, hn, cn = y[:, 0], hn[:, 0], None if cn is None else cn[:, 0]
    return (y, (hn, cn)) if mode == k.LSTM else (y, hn)


def _packed(p, mode, sequence, hx, num_layers, bidirectional):
    """hx and the states are in the caller's order; the data is in the order of falling lengths."""

    def order(states, by):
        if states is None or by is None:
            return states
        return tuple(s[:, by] for s in states) if isinstance(states, tuple) else np.asarray(states)[:, by]

    hx = order(hx, sequence.sorted_indices)
    y, states = _recurrent(p, mode, np.asarray(sequence.data), hx, num_layers, bidirectional, False, np.asarray(sequence.batch_sizes))
    return y, order(states, sequence.unsorted_indices)


def _run(p, mode, input, hx, num_layers, bidirectional, batch_first):
    if hasattr(input, "batch_sizes"):
        return _packed(p, mode, input, hx, num_layers, bidirectional)
    return _recurrent(p, mode, input, hx, num_layers, bidirectional, batch_first)


def RNN(
    p, input, hx=None, *, input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False, dropout=0.0,
    bidirectional=False,
):  # fmt: skip
    return _run(p, k.RNN_RELU if nonlinearity == "relu" else k.RNN_TANH, input, hx, num_layers, bidirectional, batch_first)


def LSTM(
    p, input, hx=None, *, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False, proj_size=0
):
    return _run(p, k.LSTM, input, hx, num_layers, bidirectional, batch_first)


def GRU(p, input, hx=None, *, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False):
    return _run(p, k.GRU, input, hx, num_layers, bidirectional, batch_first)


def _cell(p, mode, input, hx):
    weights = [p.get(name) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    h, c = hx if isinstance(hx, tuple) else (hx, None)
    hn, cn = rnn_cell_forward(mode, input, h, c, weights)
    return (hn, cn) if mode == k.LSTM else hn


def RNNCell(p, input, hx=None, *, input_size, hidden_size, bias=True, nonlinearity="tanh"):
    return _cell(p, k.RNN_RELU if nonlinearity == "relu" else k.RNN_TANH, input, hx)


def LSTMCell(p, input, hx=None, *, input_size, hidden_size, bias=True):
    return _cell(p, k.LSTM, input, hx)


def GRUCell(p, input, hx=None, *, input_size, hidden_size, bias=True):
    return _cell(p, k.GRU, input, hx)


# Attention


def _under(p, prefix):
    return {name[len(prefix) + 1 :]: value for name, value in p.items() if name.startswith(prefix + ".")}


def _extended(mask, more):
    """A mask with columns more that forbid nothing."""
    return None if mask is None else np.pad(mask, [(0, 0)] * (np.ndim(mask) - 1) + [(0, more)])


def MultiheadAttention(
    p, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True, is_causal=False, *,
    embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, kdim=None, vdim=None, batch_first=False,
):  # fmt: skip
    """q = W_q query + b_q and so on; heads side by side in E; out_proj of the heads' attention."""
    query, key, value = real(query), real(key), real(value)
    lone = query.ndim == 2
    if lone:
        query, key, value = query[None], key[None], value[None]
        key_padding_mask = None if key_padding_mask is None else np.asarray(key_padding_mask)[None]
    elif not batch_first:
        query, key, value = (np.swapaxes(a, 0, 1) for a in (query, key, value))
    if "in_proj_weight" in p:
        weights = np.split(real(p["in_proj_weight"]), 3)
    else:
        weights = [p["q_proj_weight"], p["k_proj_weight"], p["v_proj_weight"]]
    biases = np.split(real(p["in_proj_bias"]), 3) if "in_proj_bias" in p else [None] * 3
    q, keys, values = (linear_forward(x, w, b) for x, w, b in zip((query, key, value), weights, biases))
    batch, length, e = q.shape
    extra = 0
    if add_bias_kv:
        keys = np.concatenate([keys, np.broadcast_to(real(p["bias_k"]), (batch, 1, e))], axis=1)
        values = np.concatenate([values, np.broadcast_to(real(p["bias_v"]), (batch, 1, e))], axis=1)
        extra += 1
    if add_zero_attn:
        keys, values = (np.concatenate([a, np.zeros((batch, 1, e))], axis=1) for a in (keys, values))
        extra += 1
    if is_causal and attn_mask is None:
        attn_mask = np.triu(np.ones((length, keys.shape[1] - extra), bool), 1)
    if attn_mask is not None and np.ndim(attn_mask) == 3:
        attn_mask = np.reshape(attn_mask, (batch, num_heads) + np.shape(attn_mask)[1:])
    attn_mask, key_padding_mask = _extended(attn_mask, extra), _extended(key_padding_mask, extra)
    q, keys, values = (np.swapaxes(a.reshape(batch, a.shape[1], num_heads, e // num_heads), 1, 2) for a in (q, keys, values))
    y, probabilities, _ = attention_forward(
        q, keys, values, attn_mask, key_padding_mask, heads_last=1, average=average_attn_weights, weights=need_weights
    )
    y = linear_forward(y.reshape(batch, length, e), p["out_proj.weight"], p.get("out_proj.bias"))
    if lone:
        return y[0], (probabilities[0] if need_weights else None)
    return (y if batch_first else np.swapaxes(y, 0, 1)), probabilities


def _layer_norm(p, x, eps=1e-5):
    return layer_norm_forward(x, x.shape[-1:], p["weight"], p.get("bias"), eps)


def _feed_forward(p, x, activation):
    name = activation if isinstance(activation, str) else activation.__name__
    kind = {"relu": k.RELU, "gelu": k.GELU, "silu": k.SILU, "tanh": k.TANH}[name]
    hidden = activation_forward(linear_forward(x, p["linear1.weight"], p.get("linear1.bias")), kind)
    return linear_forward(hidden, p["linear2.weight"], p.get("linear2.bias"))


def TransformerEncoderLayer(
    p, src, src_mask=None, src_key_padding_mask=None, is_causal=False, *, d_model, nhead, dim_feedforward=2048, dropout=0.1,
    activation="relu", layer_norm_eps=1e-5, batch_first=False, norm_first=False, bias=True,
):  # fmt: skip
    """x = norm1(x + sa(x)), x = norm2(x + ff(x)); norm_first: x = x + sa(norm1(x)), x = x + ff(norm2(x))"""

    def attend(x):
        options = dict(embed_dim=d_model, num_heads=nhead, batch_first=batch_first)
        return MultiheadAttention(_under(p, "self_attn"), x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal, **options)[0]

    def norm(number, x):
        return _layer_norm(_under(p, f"norm{number}"), x, layer_norm_eps)

    x = real(src)
    if norm_first:
        x = x + attend(norm(1, x))
        return x + _feed_forward(p, norm(2, x), activation)
    x = norm(1, x + attend(x))
    return norm(2, x + _feed_forward(p, x, activation))


def TransformerDecoderLayer(
    p, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None, tgt_is_causal=False,
    memory_is_causal=False, *, d_model, nhead, dim_feedforward=2048, dropout=0.1, activation="relu", layer_norm_eps=1e-5,
    batch_first=False, norm_first=False, bias=True,
):  # fmt: skip
    """As the encoder layer, with attention to memory between self-attention and feed-forward."""
    options = dict(embed_dim=d_model, num_heads=nhead, batch_first=batch_first)
    memory = real(memory)

    def attend(x):
        own = _under(p, "self_attn")
        return MultiheadAttention(own, x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal, **options)[0]

    def attend_memory(x):
        cross = _under(p, "multihead_attn")
        masks = (memory_key_padding_mask, False, memory_mask)
        return MultiheadAttention(cross, x, memory, memory, *masks, is_causal=memory_is_causal, **options)[0]

    def norm(number, x):
        return _layer_norm(_under(p, f"norm{number}"), x, layer_norm_eps)

    x = real(tgt)
    if norm_first:
        x = x + attend(norm(1, x))
        x = x + attend_memory(norm(2, x))
        return x + _feed_forward(p, norm(3, x), activation)
    x = norm(1, x + attend(x))
    x = norm(2, x + attend_memory(x))
    return norm(3, x + _feed_forward(p, x, activation))


def TransformerEncoder(p, src, mask=None, src_key_padding_mask=None, is_causal=None, *, encoder_layer, num_layers, norm=None, **ignored):
    """encoder_layer: the options of its layers; norm: None or the ε of its LayerNorm."""
    x = real(src)
    for i in range(num_layers):
        x = TransformerEncoderLayer(_under(p, f"layers.{i}"), x, mask, src_key_padding_mask, bool(is_causal), **encoder_layer)
    return x if norm is None else _layer_norm(_under(p, "norm"), x, norm)


def TransformerDecoder(
    p, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None, tgt_is_causal=None,
    memory_is_causal=False, *, decoder_layer, num_layers, norm=None,
):  # fmt: skip
    x = real(tgt)
    masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, bool(tgt_is_causal), memory_is_causal)
    for i in range(num_layers):
        x = TransformerDecoderLayer(_under(p, f"layers.{i}"), x, memory, *masks, **decoder_layer)
    return x if norm is None else _layer_norm(_under(p, "norm"), x, norm)


def Transformer(
    p, src, tgt, src_mask=None, tgt_mask=None, memory_mask=None, src_key_padding_mask=None, tgt_key_padding_mask=None,
    memory_key_padding_mask=None, src_is_causal=None, tgt_is_causal=None, memory_is_causal=False, *, d_model=512, nhead=8,
    num_encoder_layers=6, num_decoder_layers=6, dim_feedforward=2048, dropout=0.1, activation="relu", layer_norm_eps=1e-5,
    batch_first=False, norm_first=False, bias=True,
):  # fmt: skip
    layer = dict(d_model=d_model, nhead=nhead, dim_feedforward=dim_feedforward, activation=activation, layer_norm_eps=layer_norm_eps)
    layer |= dict(batch_first=batch_first, norm_first=norm_first)
    memory = TransformerEncoder(
        _under(p, "encoder"), src, src_mask, src_key_padding_mask, src_is_causal, encoder_layer=layer, num_layers=num_encoder_layers,
        norm=layer_norm_eps,
    )  # fmt: skip
    masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, tgt_is_causal, memory_is_causal)
    return TransformerDecoder(
        _under(p, "decoder"), tgt, memory, *masks, decoder_layer=layer, num_layers=num_decoder_layers, norm=layer_norm_eps
    )


def AdaptiveLogSoftmaxWithLoss(p, input, target, *, in_features, n_classes, cutoffs, div_value=4.0, head_bias=False):
    """h[y] of the first classes, h[group] + log softmax(V U x)[y - first] of the others, and the mean of their negation"""
    x, starts = np.atleast_2d(real(input)), [*cutoffs, n_classes]
    head = losses.log_softmax(linear_forward(x, p["head.weight"], p.get("head.bias")), 1)
    logs = [head[:, : cutoffs[0]]]
    for i in range(len(cutoffs)):
        inside = linear_forward(linear_forward(x, p[f"tail.{i}.0.weight"]), p[f"tail.{i}.1.weight"])
        logs.append(head[:, cutoffs[0] + i, None] + losses.log_softmax(inside, 1))
        assert logs[-1].shape[1] == starts[i + 1] - starts[i]
    output = np.concatenate(logs, 1)[np.arange(len(x)), np.reshape(target, -1)]
    return output.reshape(np.shape(target)), -output.mean()


def LinearCrossEntropyLoss(p, input, target, *, in_features, num_classes, out_features=(), bias=False, weight=None, **options):
    shape = (num_classes, *out_features)
    b = p["linear.bias"].reshape(shape) if bias else None
    return losses.linear_cross_entropy(input, p["linear.weight"].reshape(*shape, -1), target, b, p.get("weight"), **options)


def _loss(function):
    """The layer of a loss: weights are buffers, the other options the function's."""

    def layer(buffers, /, *inputs, weight=None, pos_weight=None, **options):
        return function(*inputs, **options, **buffers)

    return layer


BCELoss = _loss(losses.binary_cross_entropy)
BCEWithLogitsLoss = _loss(losses.binary_cross_entropy_with_logits)
CTCLoss = _loss(losses.ctc_loss)
CosineEmbeddingLoss = _loss(losses.cosine_embedding_loss)
CrossEntropyLoss = _loss(losses.cross_entropy)
GaussianNLLLoss = _loss(losses.gaussian_nll_loss)
HingeEmbeddingLoss = _loss(losses.hinge_embedding_loss)
HuberLoss = _loss(losses.huber_loss)
KLDivLoss = _loss(losses.kl_div)
L1Loss = _loss(losses.l1_loss)
MSELoss = _loss(losses.mse_loss)
MarginRankingLoss = _loss(losses.margin_ranking_loss)
MultiLabelMarginLoss = _loss(losses.multilabel_margin_loss)
MultiLabelSoftMarginLoss = _loss(losses.multilabel_soft_margin_loss)
MultiMarginLoss = _loss(losses.multi_margin_loss)
NLLLoss = NLLLoss2d = _loss(losses.nll_loss)
PoissonNLLLoss = _loss(losses.poisson_nll_loss)
SmoothL1Loss = _loss(losses.smooth_l1_loss)
SoftMarginLoss = _loss(losses.soft_margin_loss)
TripletMarginLoss = _loss(losses.triplet_margin_loss)
TripletMarginWithDistanceLoss = _loss(losses.triplet_margin_with_distance_loss)
