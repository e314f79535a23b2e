"""Counts against closed forms: k*k*C_in/groups multiply-adds per output value, and so on."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from nascli.costs.count import count

F32 = 4  # bytes


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (nn.Conv2d(3, 16, 3, padding=1, bias=False), 32 * 32 * 16 * 3 * 9),
        (nn.Conv2d(3, 16, 3, padding=1), 32 * 32 * 16 * (3 * 9 + 1)),
        (nn.Conv2d(3, 16, 5, stride=2, padding=2, bias=False), 16 * 16 * 16 * 3 * 25),
        (nn.Conv2d(3, 16, 3, padding=2, dilation=2, bias=False), 32 * 32 * 16 * 3 * 9),
        (nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False), 32 * 32 * 3 * 9),
        (nn.Conv2d(3, 6, 3, groups=3, bias=False), 30 * 30 * 6 * 9),
        (nn.Conv2d(3, 8, (1, 7), bias=False), 32 * 26 * 8 * 3 * 7),
        # transposed: every input value meets k*k*C_out/groups weights
        (nn.ConvTranspose2d(3, 8, 2, stride=2, bias=False), 32 * 32 * 3 * 8 * 4),
        (nn.ConvTranspose2d(3, 6, 3, groups=3), 32 * 32 * 3 * 2 * 9 + 34 * 34 * 6),
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)), 3072 * 10 + 10),
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 10, bias=False)), 3072 * 10),
    ],
)
def test_macs_and_params_of_a_layer(layer, macs):
    counts = count(layer, (3, 32, 32))
    assert counts.macs == macs
    assert counts.flops == 2 * macs
    assert counts.params == sum(p.numel() for p in layer.parameters())
    assert counts.uncounted == ()


class Tokens(nn.Module):
    """Linear layers over more than two axes, in a layout that PyTorch splits and one that it does
    not."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 5)

    def forward(self, images):  # (1, 4, 6, 8)
        return self.linear(images).sum() + self.linear(images.transpose(1, 2)).sum()


def test_a_bias_counts_in_every_layout():
    assert count(Tokens(), (4, 6, 8)).macs == 2 * 4 * 6 * 5 * (8 + 1)


class Products(nn.Module):
    def forward(self, images):  # (1, 2, 4, 8)
        a = images[0]  # (2, 4, 8)
        b = a.transpose(1, 2)
        return (
            torch.bmm(a, b).sum()  # 2 * 4*8*4
            + (a[0] @ b[0]).sum()  # 4*8*4
            + torch.baddbmm(torch.zeros(2, 4, 4), a, b).sum()  # 2 * (4*8*4 + 4*4)
            + torch.mv(a[0], a[0, 0]).sum()  # 4*8
            + torch.dot(a[0, 0], a[0, 0])  # 8
            + torch.einsum("bij,bkj->bik", a, a).sum()  # 2 * 4*8*4
        )


def test_macs_of_matrix_products():
    expected = 2 * 128 + 128 + 2 * (128 + 16) + 32 + 8 + 2 * 128
    assert count(Products(), (2, 4, 8)).macs == expected


class Attention(nn.Module):
    def forward(self, images):  # (1, heads, positions, width)
        return functional.scaled_dot_product_attention(images, images, images)


def test_macs_of_attention():
    heads, positions, width = 2, 5, 8
    expected = 2 * heads * positions * positions * width  # queries by keys, weights by values
    assert count(Attention(), (heads, positions, width)).macs == expected


FREE = nn.Sequential(
    nn.BatchNorm2d(4),
    nn.ReLU(),
    nn.ReLU6(inplace=True),
    nn.Hardswish(),
    nn.PReLU(),
    nn.SiLU(),
    nn.GroupNorm(2, 4),
    nn.MaxPool2d(3, 1, 1),
    nn.AvgPool2d(2),
    nn.Dropout(0.5),
    nn.Upsample(scale_factor=2),
    nn.PixelShuffle(2),
    nn.ChannelShuffle(1),
    nn.AdaptiveAvgPool2d(2),
    nn.Flatten(),
    nn.LayerNorm(4),
    nn.Softmax(-1),
)


def test_what_costs_no_multiply_adds_is_known():
    counts = count(FREE, (4, 8, 8))
    assert (counts.macs, counts.uncounted) == (0, ())


class Unusual(nn.Module):
    def forward(self, images):
        return torch.linalg.matrix_exp(images)


def test_what_cannot_be_counted_is_named():
    assert count(Unusual(), (1, 4, 4)).uncounted == ("aten.linalg_matrix_exp",)


class WithAuxiliary(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(1, 2, 1)
        self.auxiliary = nn.Linear(10, 3)

    def forward(self, images):
        features = self.body(images)
        return (features, self.auxiliary(features)) if self.training else features


def test_an_auxiliary_head_is_reported_apart_and_modes_are_kept():
    network = WithAuxiliary().train()
    counts = count(network, (1, 2, 2))
    assert (counts.params, counts.auxiliary_params) == (2 * 1 + 2, 10 * 3 + 3)
    assert network.training
    assert network.body.weight.device.type == "cpu"


def test_peak_memory_of_a_chain():
    # Images (3, 8, 8) stay with the caller. The convolution adds (4, 8, 8); the batch norm needs
    # another (4, 8, 8) beside both: the peak. The ReLU writes in place; then the convolution's
    # output is gone and pooling adds (4, 4, 4) with its indices (8 bytes each).
    chain = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2)
    )
    expected = (3 * 64 + 4 * 64 + 4 * 64) * F32
    assert count(chain, (3, 8, 8)).peak_memory_mb == pytest.approx(expected / 1e6, abs=1e-12)


def test_peak_memory_counts_the_indices_of_pooling():
    expected = 64 * F32 + 16 * (F32 + 8)
    assert count(nn.MaxPool2d(2), (1, 8, 8)).peak_memory_mb == pytest.approx(expected / 1e6)


class Residual(nn.Module):
    """Keeps the input alive over the branch; views own nothing."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 6, 1, bias=False)
        self.second = nn.Conv2d(6, 2, 1, bias=False)

    def forward(self, images):  # a = 2 * 16 values
        wide = self.first(images)  # a + 3a
        narrow = self.second(wide.view(1, 6, 4, 4))  # a + 3a + a: the peak
        del wide
        return narrow + images  # a + a + a


def test_peak_memory_of_a_residual_block():
    expected = 5 * (2 * 16) * F32
    assert count(Residual(), (2, 4, 4)).peak_memory_mb == pytest.approx(expected / 1e6, abs=1e-12)


def test_peak_memory_counts_no_weights_nor_views_of_them():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(32, 5))  # the weight is read transposed
    expected = (32 + 5) * F32
    assert count(linear, (2, 4, 4)).peak_memory_mb == pytest.approx(expected / 1e6, abs=1e-12)


def test_peak_memory_follows_the_dtype():
    chain = nn.Conv2d(2, 2, 1)
    single = count(chain, (2, 4, 4)).peak_memory_mb
    assert count(chain.double(), (2, 4, 4)).peak_memory_mb == pytest.approx(2 * single)
