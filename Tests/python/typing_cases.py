"""What type checkers have to see: mypy and pyright read this file, nothing runs it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import swiftnn as nn
from swiftnn.utils.rnn import PackedSequence, pack_sequence

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def layers(single: F32, double: F64, unknown: NDArray[Any], anything: Any, tensor: nn.Tensor) -> None:
    """An array gives an array of its float type, a Tensor a Tensor; what NumPy has to convert gives some array."""
    layer = nn.Conv2d(3, 64, kernel_size=3, padding=1)
    assert_type(layer(single), F32)
    assert_type(layer(double), F64)
    assert_type(layer(tensor), nn.Tensor)
    assert_type(layer(input=single), F32)
    assert_type(layer.forward(single), F32)
    assert_type(layer(unknown), NDArray[Any])
    assert_type(layer([[1.0, 2.0]]), NDArray[Any])
    assert_type(layer(np.arange(3)), NDArray[Any])
    assert_type(nn.RMSNorm(8)(x=double), F64)
    assert_type(nn.CrossMapLRN2d(5)(single), F32)
    assert_type(nn.SyncBatchNorm(5)(tensor), nn.Tensor)
    assert_type(nn.FractionalMaxPool2d(2, output_ratio=0.5)(double), F64)
    for each in (nn.Linear(2, 3)(single), nn.ReLU()(single), nn.MaxPool2d(2)(single), nn.LayerNorm(4)(single), nn.Dropout()(single)):
        assert_type(each, F32)
    assert_type(nn.Embedding(5, 3)(np.arange(3)), NDArray[Any])
    assert_type(nn.Embedding(5, 3)(nn.Tensor(np.arange(3))), nn.Tensor)
    assert_type(nn.EmbeddingBag(5, 3)(np.arange(3), [0]), NDArray[Any])
    assert_type(nn.EmbeddingBag(5, 3)(nn.Tensor(np.arange(3)), np.arange(1)), nn.Tensor)
    assert_type(nn.EmbeddingBag(5, 3, mode="sum")(np.arange(3), [0], tensor), nn.Tensor)
    lazy = nn.LazyLinear(5)
    assert_type(lazy(single), F32)
    assert_type(lazy(tensor), nn.Tensor)
    assert_type(lazy.weight, nn.Parameter)
    assert_type(nn.LazyConv2d(4, 3)(double), F64)
    assert_type(nn.Conv3d(2, 3, 1)(single), F32)
    assert_type(nn.ConvTranspose3d(2, 3, 1)(tensor, output_size=(2, 3, 4)), nn.Tensor)
    assert_type(nn.LazyConvTranspose2d(4, 3)(single), F32)
    assert_type(nn.LazyBatchNorm2d()(single), F32)
    assert_type(nn.LazyInstanceNorm1d()(tensor), nn.Tensor)


def mistakes(single: F32) -> None:
    """Wrong calls are refused: an ignore that nothing needs is an error itself."""
    nn.Linear(2, 3)(single, single)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    nn.Linear(2, 3)(data=single)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    nn.Linear(2, 3)(None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def operators(single: F32, tensor: nn.Tensor) -> None:
    """The functions of `nn` and the methods of Tensors, those made of functions too, are known with their arguments."""
    nn.roll(nn.exp2(single), 1, dims=0)
    nn.where(nn.sum(tensor, dim=1) > 0, tensor, 0.0)
    tensor.exp2().topk(2, largest=False)
    tensor.add_(1.0, alpha=2).index_add(0, single, tensor, alpha=2)
    nn.roll(single)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    nn.exp2(single, 2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    tensor.exp2(2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    tensor.topk(width=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def recurrent(single: F32, tensor: nn.Tensor) -> None:
    y, h = nn.GRU(2, 3)(single)
    assert_type(y, F32)
    assert_type(h, F32)
    z, (c, d) = nn.LSTM(2, 3)(tensor)
    assert_type(z, nn.Tensor)
    assert_type(c, nn.Tensor)
    assert_type(d, nn.Tensor)
    packed, _ = nn.LSTM(2, 3)(pack_sequence([single]))
    assert_type(packed, PackedSequence)
    assert_type(nn.GRUCell(2, 3)(single), F32)
    assert_type(nn.LSTMCell(2, 3)(single), tuple[F32, F32])


def weights(single: F32, tensor: nn.Tensor) -> None:
    """What changes a module gives it back as what it was."""
    layer = nn.utils.remove_weight_norm(nn.utils.weight_norm(nn.Conv1d(2, 3, 5), dim=None))
    assert_type(layer(single), F32)
    assert_type(nn.utils.remove_spectral_norm(nn.utils.spectral_norm(nn.Linear(2, 3))), nn.Linear)
    assert_type(nn.utils.parametrizations.weight_norm(nn.LSTM(2, 3), "weight_hh_l0"), nn.LSTM)
    assert_type(nn.utils.parametrizations.spectral_norm(nn.Linear(2, 3))(tensor), nn.Tensor)
    assert_type(nn.utils.parametrizations.orthogonal(nn.Linear(2, 3), orthogonal_map="cayley"), nn.Linear)
    assert_type(nn.utils.parametrize.register_parametrization(nn.Linear(2, 2), "weight", nn.Identity()), nn.Linear)
    assert_type(nn.utils.parametrize.remove_parametrizations(nn.Linear(2, 3), "weight"), nn.Linear)
    assert_type(nn.utils.prune.remove(nn.utils.prune.l1_unstructured(nn.Linear(2, 3), "weight", 0.5), "weight"), nn.Linear)
    assert_type(nn.utils.prune.is_pruned(layer), bool)
    assert_type(nn.utils.skip_init(nn.Linear, 2, 3), nn.Linear)
    assert_type(nn.Linear(2, 3).to_empty(), nn.Linear)
    with nn.utils.parametrize.cached(), layer.register_full_backward_hook(lambda module, dx, dy: None):
        layer(single)


def functions(single: F32, double: F64, unknown: NDArray[Any], anything: Any, tensor: nn.Tensor, parameter: nn.Parameter) -> None:
    """An array gives an array of its float type, a Tensor a Tensor; a Parameter as the weight changes nothing, another Tensor does."""
    F = nn.functional
    for f in (F.relu, F.relu6, F.selu, F.silu, F.mish, F.hardswish, F.hardsigmoid):
        assert_type(f(single), F32)
        assert_type(f(double, inplace=True), F64)
        assert_type(f(tensor, True), nn.Tensor)
        assert_type(f(input=single), F32)
        assert_type(f([1.0, 2.0]), NDArray[Any])
        assert_type(f(unknown), NDArray[Any])
        assert_type(f(parameter), nn.Tensor)
    for g in (F.sigmoid, F.tanh, F.logsigmoid, F.softsign):
        assert_type(g(single), F32)
        assert_type(g(tensor), nn.Tensor)
    for g in (F.celu, F.rrelu, F.hardshrink, F.softshrink, F.tanhshrink, F.alpha_dropout, F.feature_alpha_dropout):
        assert_type(g(single), F32)
        assert_type(g(tensor), nn.Tensor)
    for within in (F.relu_, F.selu_, F.elu_, F.celu_, F.leaky_relu_, F.hardtanh_, F.rrelu_):
        assert_type(within(single), F32)
        assert_type(within(tensor), nn.Tensor)
    assert_type(F.threshold_(double, 0.1, 20.0), F64)
    assert_type(F.threshold(single, 0.1, 20.0), F32)
    assert_type(F.gumbel_softmax(single, 0.5, hard=True), F32)
    assert_type(F.gumbel_softmax(logits=tensor), nn.Tensor)
    assert_type(F.leaky_relu(single, negative_slope=0.2), F32)
    assert_type(F.elu(tensor, 1.0), nn.Tensor)
    assert_type(F.gelu(double, approximate="tanh"), F64)
    assert_type(F.softplus(single), F32)
    assert_type(F.hardtanh(tensor, -2.0, 2.0), nn.Tensor)
    assert_type(F.glu(single, dim=0), F32)
    assert_type(F.prelu(single, parameter), F32)
    for h in (F.softmax, F.log_softmax, F.softmin):
        assert_type(h(single, dim=-1), F32)
        assert_type(h(tensor, -1), nn.Tensor)
        assert_type(h(single, dim=-1, dtype=np.float64), NDArray[Any])
    for conv in (F.conv1d, F.conv2d):
        assert_type(conv(single, single, None, 2, "same", groups=3), F32)
        assert_type(conv(single, parameter, bias=parameter), F32)
        assert_type(conv(single, weight=tensor), nn.Tensor)
        assert_type(conv(tensor, single, single), nn.Tensor)
    assert_type(F.linear(double, double, double), F64)
    assert_type(F.linear(single, parameter, parameter), F32)
    assert_type(F.linear(single, tensor), nn.Tensor)
    assert_type(F.linear([[1.0]], [[2.0]]), NDArray[Any])
    assert_type(F.bilinear(single, single, parameter), F32)
    assert_type(F.bilinear(single, single, tensor), nn.Tensor)
    assert_type(F.embedding([1, 2], single), F32)
    assert_type(F.embedding(np.arange(3), parameter, padding_idx=0), NDArray[Any])
    assert_type(F.embedding(np.arange(3), tensor), nn.Tensor)
    assert_type(F.embedding_bag([[1, 2]], single), F32)
    assert_type(F.conv3d(single, single, padding="same"), F32)
    assert_type(F.conv_transpose3d(tensor, single), nn.Tensor)
    assert_type(F.conv_tbc(single, parameter, bias=parameter, pad=1), F32)
    assert_type(F.conv_tbc(tensor, single, single), nn.Tensor)
    assert_type(F.embedding_bag(np.arange(3), parameter, [0, 1], mode="max"), NDArray[Any])
    assert_type(F.embedding_bag(nn.Tensor(np.arange(3)), parameter, [0, 1]), nn.Tensor)
    for pool in (F.max_pool1d, F.max_pool2d, F.max_pool3d):
        assert_type(pool(single, 2), F32)
        assert_type(pool(single, (2, 2), stride=1, padding=1), F32)
        assert_type(pool(tensor, 2), nn.Tensor)
        assert_type(pool(single, 2, return_indices=True), tuple[F32, NDArray[np.int64]])
        assert_type(pool(tensor, 2, return_indices=True), tuple[nn.Tensor, nn.Tensor])
    assert_type(F.max_pool2d_with_indices(double, 2), tuple[F64, NDArray[np.int64]])
    assert_type(F.avg_pool1d(single, 2), F32)
    assert_type(F.avg_pool2d(tensor, 2, divisor_override=3), nn.Tensor)
    assert_type(F.adaptive_avg_pool1d(double, 1), F64)
    assert_type(F.adaptive_avg_pool2d(single, (None, 1)), F32)
    assert_type(F.max_pool3d_with_indices(double, 2), tuple[F64, NDArray[np.int64]])
    assert_type(F.avg_pool3d(tensor, 2, divisor_override=3), nn.Tensor)
    assert_type(F.adaptive_avg_pool3d(single, (None, 1, 2)), F32)
    for adaptive in (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d):
        assert_type(adaptive(single, 2), F32)
        assert_type(adaptive(tensor, (None, 1)), nn.Tensor)
        assert_type(adaptive(double, 2, True), tuple[F64, NDArray[np.int64]])
        assert_type(adaptive(tensor, 2, return_indices=True), tuple[nn.Tensor, nn.Tensor])
    assert_type(F.adaptive_max_pool1d_with_indices(single, 2), tuple[F32, NDArray[np.int64]])
    assert_type(F.adaptive_max_pool2d_with_indices(tensor, 2), tuple[nn.Tensor, nn.Tensor])
    assert_type(F.adaptive_max_pool3d_with_indices(double, 2), tuple[F64, NDArray[np.int64]])
    for drawn in (F.fractional_max_pool2d, F.fractional_max_pool3d):
        assert_type(drawn(single, 2, 3), F32)
        assert_type(drawn(tensor, (2, 2), output_ratio=0.5), nn.Tensor)
        assert_type(drawn(double, 2, 3, return_indices=True), tuple[F64, NDArray[np.int64]])
        assert_type(drawn(tensor, 2, 3, return_indices=True), tuple[nn.Tensor, nn.Tensor])
    assert_type(F.fractional_max_pool2d_with_indices(single, 2, 3), tuple[F32, NDArray[np.int64]])
    assert_type(F.fractional_max_pool3d_with_indices(tensor, 2, 3), tuple[nn.Tensor, nn.Tensor])
    for norm in (F.lp_pool1d, F.lp_pool2d, F.lp_pool3d):
        assert_type(norm(single, 2, 3), F32)
        assert_type(norm(tensor, 1.5, (2, 2), stride=1, ceil_mode=True), nn.Tensor)
    for back in (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d):
        assert_type(back(single, np.zeros(4, int), 2), F32)
        assert_type(back(tensor, tensor, 2, output_size=(4,)), nn.Tensor)
        assert_type(back(tensor, np.zeros(4, int), 2), nn.Tensor)
    assert_type(nn.MaxUnpool2d(2)(single, np.zeros(4, int)), F32)
    assert_type(nn.MaxUnpool2d(2)(tensor, tensor, [4, 4]), nn.Tensor)
    assert_type(F.unfold(single, 2), F32)
    assert_type(F.fold(tensor, (4, 4), 2), nn.Tensor)
    assert_type(nn.Unfold(2)(double), F64)
    assert_type(F.local_response_norm(double, 2), F64)
    assert_type(F.layer_norm(single, (4,), parameter, parameter), F32)
    assert_type(F.rms_norm(tensor, (4,)), nn.Tensor)
    assert_type(F.group_norm(single, 2), F32)
    assert_type(F.batch_norm(single, None, None, training=True), F32)
    assert_type(F.instance_norm(double), F64)
    assert_type(F.normalize(single, dim=-1), F32)
    assert_type(F.cosine_similarity(single, single), F32)
    assert_type(F.pairwise_distance(x1=single, x2=tensor), nn.Tensor)
    assert_type(F.pdist(single, 1.0), F32)
    assert_type(F.dropout(single, 0.1, training=False), F32)
    assert_type(F.dropout2d(tensor), nn.Tensor)
    assert_type(F.pad(single, (1, 1), mode="reflect"), F32)
    assert_type(F.interpolate(tensor, scale_factor=2.0), nn.Tensor)
    assert_type(F.grid_sample(single, single, padding_mode="border"), F32)
    assert_type(F.grid_sample(tensor, single), nn.Tensor)
    assert_type(F.grid_sample(double, grid=tensor, mode="nearest"), nn.Tensor)
    assert_type(F.affine_grid(double, (1, 1, 4, 4), align_corners=True), F64)
    assert_type(F.affine_grid(tensor, [1, 1, 4, 4]), nn.Tensor)
    assert_type(F.upsample_nearest(single, 2), F32)
    assert_type(F.upsample_bilinear(tensor, scale_factor=2.0), nn.Tensor)
    assert_type(F.native_channel_shuffle(single, 2), F32)
    assert_type(F.pixel_shuffle(single, 2), F32)
    assert_type(F.scaled_dot_product_attention(single, single, single, is_causal=True), F32)
    assert_type(F.scaled_dot_product_attention(tensor, single, single), nn.Tensor)
    assert_type(F.scaled_dot_product_attention(single, tensor, tensor, attn_mask=anything), nn.Tensor)


def function_losses(single: F32, classes: NDArray[np.int64], tensor: nn.Tensor, parameter: nn.Parameter) -> None:
    F = nn.functional
    assert_type(F.cross_entropy(single, classes), F32)
    assert_type(F.cross_entropy(tensor, classes, label_smoothing=0.1), nn.Tensor)
    assert_type(F.cross_entropy(input=tensor, target=classes), nn.Tensor)
    assert_type(F.nll_loss(single, classes, reduction="sum"), F32)
    assert_type(F.linear_cross_entropy(single, parameter, classes, linear_bias=parameter), F32)
    assert_type(F.linear_cross_entropy(tensor, single, classes), nn.Tensor)
    for loss in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.kl_div, F.binary_cross_entropy_with_logits):
        assert_type(loss(single, single, reduction="none"), F32)
        assert_type(loss(tensor, single), nn.Tensor)
        assert_type(loss(single, tensor), nn.Tensor)
        assert_type(loss(parameter, single), NDArray[Any])
        assert_type(loss([0.0], [1.0]), NDArray[Any])
    assert_type(F.binary_cross_entropy(tensor, tensor), nn.Tensor)
    assert_type(F.hinge_embedding_loss(single, classes, margin=2.0), F32)
    assert_type(F.poisson_nll_loss(tensor, classes), nn.Tensor)
    assert_type(F.gaussian_nll_loss(single, single, var=single), F32)
    assert_type(F.cosine_embedding_loss(single, tensor, classes), nn.Tensor)
    assert_type(F.margin_ranking_loss(single, single, classes), F32)
    assert_type(F.triplet_margin_loss(single, single, negative=tensor), nn.Tensor)
    assert_type(F.triplet_margin_with_distance_loss(single, single, single, distance_function=F.cosine_similarity), F32)
    assert_type(F.soft_margin_loss(single, classes), F32)
    assert_type(F.multi_margin_loss(tensor, classes, 2), nn.Tensor)
    assert_type(F.multilabel_margin_loss(single, classes), F32)
    assert_type(F.multilabel_soft_margin_loss(single, tensor), nn.Tensor)
    assert_type(F.ctc_loss(single, classes, classes, classes), F32)


def wrong_calls_of_functions(single: F32) -> None:
    F = nn.functional
    F.relu(None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    F.elu(single, beta=1.0)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    F.linear(single)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    F.conv2d(single, single, stride="2")  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    F.mse_loss(single, None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def losses(single: F32, classes: NDArray[np.int64], tensor: nn.Tensor) -> None:
    assert_type(nn.CrossEntropyLoss()(single, classes), F32)
    assert_type(nn.CrossEntropyLoss()(tensor, classes), nn.Tensor)
    assert_type(nn.MSELoss()(single, tensor), nn.Tensor)
    assert_type(nn.LinearCrossEntropyLoss(3, 4)(single, classes), F32)
    assert_type(nn.MultiMarginLoss()(single, classes), F32)
    nn.TripletMarginWithDistanceLoss(distance_function=nn.PairwiseDistance())(single, single, single)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, words: F32, scale: float = 1.0) -> F32:
        return self.linear(words)


def own_modules(single: F32) -> None:
    """A call of a user's module has the signature of its forward."""
    assert_type(Model()(single), F32)
    assert_type(Model()(single, scale=2.0), F32)
    Model()(single, bias=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def training(single: F32, classes: NDArray[np.int64]) -> None:
    model = Model()
    state = model.state_dict()
    assert_type(state, OrderedDict[str, Any])
    model.load_state_dict(state)
    assert_type(model.parameters(), Iterator[nn.Parameter])
    optimizer = nn.optim.AdamW(model.parameters(), lr=1e-3)
    loader = nn.data.DataLoader(nn.data.TensorDataset(single, classes), batch_size=2, shuffle=True)
    assert_type(len(loader), int)
    scheduler = nn.optim.lr_scheduler.StepLR(optimizer, 1)
    history = nn.fit(model, loader, nn.CrossEntropyLoss(), optimizer, epochs=1, scheduler=scheduler, metrics=["accuracy"])
    assert_type(history["loss"], F64)
