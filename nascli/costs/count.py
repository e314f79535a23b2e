"""Counts what a network costs by running it on shapes alone: any network, ours or a user's."""

from __future__ import annotations

import copy
import math
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from nascli.costs.cost import BYTES_PER_MB, Cost, Counts

AUXILIARY = "auxiliary"  # the submodule that helps training and does not run at inference


def count(network: nn.Module, input_shape: tuple[int, ...], place: str = "meta") -> Counts:
    """Counts one forward pass of `network`, in eval mode, over one image of `input_shape`.

    It runs on shapes alone (torch's meta device), or on an image of zeros if `place` is "cpu", for
    what asks for values; on a copy, so that `network` stays as it is. Counted are
    convolutions, matrix products and attention; a bias costs one add for each output, which counts
    as one multiply-add, as in NAS-Bench-201's published figures (Dong and Yang 2020, 2001.00326).
    Normalisation, activations, pooling, elementwise arithmetic and moving data count nothing.

    The peak is the largest sum of the tensors alive at once as PyTorch runs the network operation
    by operation: the input and what operations return (pooling's indices too) counted, parameters,
    buffers and workspace inside an operation not; views share one storage.
    """
    network = copy.deepcopy(network).to(place).eval()
    # Buffers too: both are there before the pass and stay.
    held = [*network.parameters(), *network.buffers()]
    with torch.no_grad(), torch.device(place), _Tally(held) as tally:
        network(torch.zeros(1, *input_shape, dtype=_dtype(network)))
    sizes = {name: p.numel() for name, p in network.named_parameters()}
    auxiliary = sum(n for name, n in sizes.items() if AUXILIARY in name.split("."))
    return Counts(
        params=sum(sizes.values()) - auxiliary,
        macs=tally.macs,
        peak_memory_mb=tally.peak / BYTES_PER_MB,
        auxiliary_params=auxiliary,
        uncounted=tuple(sorted(tally.uncounted)),
    )


def count_layer(
    module: nn.Module, input_shape: tuple[int, ...], place: str = "meta"
) -> tuple[Cost, tuple[str, ...], tuple[int, ...]]:
    """What `module` costs as a layer, the operations that were not counted, its result's shape.

    As `count`, with its input of `input_shape` left out of the memory: its reader holds that.

    Raises:
        TypeError: its result is no tensor.
    """
    counts = count(module, input_shape, place)
    module = copy.deepcopy(module).to(place).eval()
    held = [*module.parameters(), *module.buffers()]
    with torch.no_grad(), torch.device(place), _Tally(held) as tally:
        images = torch.zeros(1, *input_shape, dtype=_dtype(module))
        given = images.untyped_storage().nbytes()
        output = module(images)
    if not isinstance(output, Tensor):
        raise TypeError(f"its result is a {type(output).__name__}, not a tensor")
    shared = _key(output) == _key(images)
    kept = 0 if shared else output.untyped_storage().nbytes()
    cost = Cost(counts.params, counts.macs, tally.peak - given, kept, shared)
    return cost, counts.uncounted, tuple(output.shape[1:])


def _dtype(network: nn.Module) -> torch.dtype:
    kinds = (p.dtype for p in network.parameters() if p.is_floating_point())
    return next(kinds, torch.get_default_dtype())


class _Tally(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up multiply-adds and follows the storages alive while it is on."""

    def __init__(self, held: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs = self.peak = 0
        self.uncounted: set[str] = set()
        self._held = {_key(tensor): tensor for tensor in held}
        self._live: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Runs the operation, then books its multiply-adds and its results."""
        name = func.overloadpacket.__name__
        if name == "native_batch_norm" and not args[5]:
            # What it makes in eval mode; torch's meta version makes more, and takes its time.
            out = torch.empty_like(args[0]), args[0].new_empty(0), args[0].new_empty(0)
        else:
            out = func(*args, **(kwargs or {}))
        if name in ("add", "add_"):
            self.macs += self._bias(args, out)
        elif name in _MACS:
            self.macs += _MACS[name](args, out)
        elif name not in _FREE and not func.is_view and torch.Tag.pointwise not in func.tags:
            self.uncounted.add(f"aten.{name}")
        self._book(out)
        return out

    def _bias(self, args: tuple[Any, ...], out: Any) -> int:
        # A linear layer over more than two axes arrives as a product and an addition.
        tensors = [arg for arg in args[:2] if isinstance(arg, Tensor)]
        held = [isinstance(self._held.get(_key(t)), nn.Parameter) for t in tensors]
        return int(out.numel()) if held.count(True) == 1 and len(held) == 2 else 0

    def _book(self, out: Any) -> None:
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, Tensor) and _key(tensor) not in self._held:
                self._live[_key(tensor)] = weakref.ref(tensor.untyped_storage())
        alive = {key: storage for key, ref in self._live.items() if (storage := ref())}
        self._live = {key: self._live[key] for key in alive}
        self.peak = max(self.peak, sum(storage.nbytes() for storage in alive.values()))


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)  # unique while the storage lives


def _convolution(args: tuple[Any, ...], out: Any) -> int:
    images, weight, bias, transposed = args[0], args[1], args[2], args[6]
    # weight is (out, in / groups, kh, kw), transposed (in, out / groups, kh, kw): every place of
    # the output (transposed: of the input) meets that many weights for each of its channels.
    places = (images if transposed else out).numel()
    return int(places * math.prod(weight.shape[1:]) + (0 if bias is None else out.numel()))


def _product(args: tuple[Any, ...], out: Any) -> int:
    return int(out.numel() * args[0].shape[-1])  # (..., n, k) @ (..., k, m) -> (..., n, m)


def _product_plus(args: tuple[Any, ...], out: Any) -> int:
    return int(out.numel() * (args[1].shape[-1] + 1))


def _attention(args: tuple[Any, ...], _out: Any) -> int:
    # (..., n, e) and (..., k, e), the values (..., k, v): Q K' and its product with V.
    query, key, value = args[:3]
    rows = query.numel() // query.shape[-1]
    return int(rows * key.shape[-2] * (query.shape[-1] + value.shape[-1]))


_MACS: Mapping[str, Callable[[tuple[Any, ...], Any], int]] = {
    "convolution": _convolution,
    "mm": _product,
    "bmm": _product,
    "mv": _product,
    "dot": _product,
    "addmm": _product_plus,
    "addmv": _product_plus,
    "baddbmm": _product_plus,
    "_scaled_dot_product_attention_math": _attention,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
}

# No multiply-adds by the usual convention; views and elementwise operations are told by torch.
_FREE = frozenset(
    """
    native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training batch_norm
    cudnn_batch_norm native_layer_norm native_group_norm linalg_vector_norm _fused_rms_norm
    max_pool2d_with_indices avg_pool2d adaptive_max_pool2d _adaptive_avg_pool2d mean sum amax amin
    max min argmax argmin var var_mean std cumsum topk sort
    _softmax _log_softmax _safe_softmax hardswish hardswish_ _prelu_kernel prelu hardtanh hardtanh_
    leaky_relu leaky_relu_ glu native_dropout bernoulli bernoulli_ rand rand_like randn randn_like
    cat stack copy_ _to_copy clone contiguous _unsafe_view unsafe_split unsafe_chunk constant_pad_nd
    reflection_pad2d replication_pad2d roll flip index index_select gather
    as_strided_ embedding repeat
    pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle im2col
    upsample_nearest2d upsample_bilinear2d upsample_bicubic2d
    empty empty_like new_empty empty_strided new_empty_strided zeros zeros_like new_zeros zero_
    ones ones_like new_ones full full_like new_full fill_ arange linspace scalar_tensor lift_fresh
    _assert_async _local_scalar_dense
    """.split()  # noqa: SIM905 - a list of quoted words would hide what it says
)
