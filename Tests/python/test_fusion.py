"""Layers with the batch normalization after them in their weights."""

from __future__ import annotations

import numpy as np
import pytest

import swiftnn as nn

RNG = np.random.default_rng(3)


def normalization(kind, features, dtype, **options):
    bn = kind(features, dtype=dtype, **options)
    for _ in range(3):
        shape = (4, features, *(5,) * {nn.BatchNorm1d: 0, nn.BatchNorm2d: 2}[kind])
        bn(RNG.normal(0.5, 2, shape).astype(dtype))
    if bn.affine:
        bn.weight.data[:] = RNG.uniform(0.5, 2, features)
        bn.bias.data[:] = RNG.normal(size=features)
    return bn.eval()


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("affine", [True, False], ids=["affine", "not affine"])
@pytest.mark.parametrize(
    "make",
    [
        lambda **o: nn.Conv2d(4, 6, 3, stride=2, padding=1, **o),
        lambda **o: nn.Conv2d(4, 6, 3, groups=2, **o),
        lambda **o: nn.ConvTranspose2d(4, 6, 3, stride=2, **o),
        lambda **o: nn.ConvTranspose2d(4, 6, 3, groups=2, **o),
    ],
    ids=["Conv2d", "groups", "transposed", "transposed groups"],
)
def test_convolutions(make, affine, bias, dtype):
    conv = make(bias=bias, dtype=dtype).eval()
    bn = normalization(nn.BatchNorm2d, 6, dtype, affine=affine)
    before = {key: value.copy() for key, value in conv.state_dict().items()}
    fused = nn.utils.fuse_conv_bn_eval(conv, bn)
    x = RNG.standard_normal((2, 4, 7, 7)).astype(dtype)
    expected = bn(conv(x))
    assert type(fused) is type(conv) and fused.weight.dtype == fused.bias.dtype == dtype
    assert np.abs(fused(x) - expected).max() <= (4e-6 if dtype is np.float32 else 1e-14) * np.abs(expected).max()
    assert all(np.array_equal(before[key], value) for key, value in conv.state_dict().items()), "the layer itself was changed"


@pytest.mark.parametrize("features", [6, 1])
def test_linear(features):
    linear, bn = nn.Linear(5, 6).eval(), normalization(nn.BatchNorm1d, features, np.float32)
    fused = nn.utils.fuse_linear_bn_eval(linear, bn)
    x = RNG.standard_normal((3, 5)).astype(np.float32)
    y = linear(x)
    expected = bn(y) if features == 6 else bn(y.reshape(-1, 1)).reshape(y.shape)
    assert np.abs(fused(x) - expected).max() <= 4e-6 * np.abs(expected).max()
    assert fused.weight.shape == (6, 5) and fused.bias.shape == (6,)


def test_what_cannot_be_fused():
    conv, bn = nn.Conv2d(3, 4, 3).eval(), nn.BatchNorm2d(4).eval()
    with pytest.raises(ValueError, match=r"Conv2d is in training mode.*\.eval\(\)"):
        nn.utils.fuse_conv_bn_eval(nn.Conv2d(3, 4, 3), bn)
    with pytest.raises(ValueError, match="BatchNorm2d is in training mode"):
        nn.utils.fuse_conv_bn_eval(conv, nn.BatchNorm2d(4))
    with pytest.raises(ValueError, match="track_running_stats"):
        nn.utils.fuse_conv_bn_eval(conv, nn.BatchNorm2d(4, track_running_stats=False).eval())
    with pytest.raises(nn.ShapeError, match=r"running_mean has shape \(5,\); expected \(4,\)"):
        nn.utils.fuse_conv_bn_eval(conv, nn.BatchNorm2d(5).eval())


def test_numbers_of_layers():
    conv, bn = nn.ConvTranspose1d(3, 4, 2).eval(), normalization(nn.BatchNorm1d, 4, np.float32)
    statistics = (bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias)
    weight, bias = nn.utils.fuse_conv_bn_weights(conv.weight, conv.bias, *statistics, transpose=True)
    fused = nn.utils.fuse_conv_bn_eval(conv, bn)
    assert np.array_equal(weight.data, fused.weight.data) and np.array_equal(bias.data, fused.bias.data)
    linear = nn.Linear(3, 4, bias=False).eval()
    weight, bias = nn.utils.fuse_linear_bn_weights(linear.weight.numpy(), None, *statistics)
    scale = bn.weight.data / np.sqrt(bn.running_var + bn.eps)
    np.testing.assert_allclose(weight.data, linear.weight.data * scale[:, None], rtol=1e-6)
    np.testing.assert_allclose(bias.data, bn.bias.data - bn.running_mean * scale, rtol=1e-5, atol=1e-6)
