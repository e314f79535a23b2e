"""The words of a mobile genotype, each an operation with all that it needs; no torch.

`mbconv_5x5_e3_relu_se8` is an inverted residual block with a 5x5 depthwise convolution, three times
its channels inside, ReLU and MobileNetV3's squeeze-excite. `_keep` behind the expansion keeps the
1x1 convolution of an expansion of 1; without an activation it is ReLU6. `conv_3x3` is a convolution
with batch norm, `hidden_1280_hswish` a head with a hidden layer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from nascli.core.choice import SKIP

LINEAR = "linear"
"""The word of a head that is one linear layer."""

ACTIVATIONS = ("relu6", "relu", "swish", "hswish")
"""What stands in the words of blocks and convolutions."""

_ACTIVATION = rf"(?:_({'|'.join(ACTIVATIONS)}))?"
_SIDE = r"_(\d?[13579])x\1"  # at most 99 pixels
_CONV = re.compile(rf"conv{_SIDE}{_ACTIVATION}")
_HIDDEN = re.compile(rf"hidden_([1-9]\d{{0,4}}){_ACTIVATION}")
_BLOCK = re.compile(
    rf"mbconv{_SIDE}_e(?!0+(?:\.0*)?(?:_|$))(\d{{1,3}}(?:\.\d+)?)(_keep)?{_ACTIVATION}(?:_(se8|se))?"
)
_MODULE = "nascli.operations.inverted."


@lru_cache(maxsize=1024)
def convolution(word: str) -> Mapping[str, object] | None:
    """What builds a stem or a head's convolution; None if `word` is no such thing."""
    found = _CONV.fullmatch(word)
    if found is None:
        return None
    kernel, activation = found.groups()
    return {
        "_target_": _MODULE + "ConvNorm",
        "kernel": int(kernel),
        "activation": activation or "relu6",
    }


@lru_cache(maxsize=1024)
def hidden(word: str) -> Mapping[str, object] | None:
    """What builds a head with a hidden layer; None if `word` is no such thing."""
    found = _HIDDEN.fullmatch(word)
    if found is None:
        return None
    width, activation = found.groups()
    return {
        "_target_": _MODULE + "HiddenClassifier",
        "hidden": int(width),
        "activation": activation or "relu6",
    }


@lru_cache(maxsize=1024)
def block(word: str) -> Mapping[str, object] | None:
    """What builds a block; None if `word` is none."""
    if word == SKIP:
        return {"_target_": "nascli.operations.skip.skip_connect"}
    found = _BLOCK.fullmatch(word)
    if found is None:
        return None
    kernel, expansion, keep, activation, squeeze = found.groups()
    return {
        "_target_": _MODULE + "InvertedResidual",
        "kernel": int(kernel),
        "expansion": float(expansion),
        "activation": activation or "relu6",
        "squeeze": squeeze or "none",
        "keep": bool(keep),
    }


def of_block(kernel: object, expansion: object, activation: str, squeeze: str) -> str:
    """The word of a block, if there is such a block; `expansion` may end with `_keep`."""
    times = f"{expansion:g}" if isinstance(expansion, (int, float)) else expansion
    word = f"mbconv_{kernel}x{kernel}_e{times}"
    word += "" if activation == "relu6" else f"_{activation}"
    return word if squeeze == "none" else f"{word}_{squeeze}"


BLOCKS = "blocks look like mbconv_3x3_e6, mbconv_5x5_e2.5_hswish_se8 or mbconv_3x3_e1_keep_relu"
