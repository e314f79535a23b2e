"""The published networks for microcontrollers, as plans or step by step.

MobileNetV1 (Howard et al. 2017, arXiv 1704.04861), ResNet8, DS-CNN and ToyCar of MLPerf Tiny
(Banbury et al. 2021, arXiv 2106.07597), ResNet32 with 1x1 shortcuts, the streaming wake word.
"""

from nascli.core.plan import IMAGES, Layer, Place, Plan
from nascli.costs.int8 import Writer
from nascli.costs.int8_layers import int8_network

CONVOLUTIONS = {
    f"conv_{kernel}x{kernel}_{activation}": {
        "_target_": "nascli.operations.inverted.ConvNorm",
        "kernel": kernel,
        "activation": activation,
    }
    for kernel in (1, 3)
    for activation in ("relu", "linear")
}
CONVOLUTIONS["separable"] = {
    "_target_": "nascli.operations.inverted.DepthwiseSeparable",
    "activation": "relu",
}
_STAGES = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
_STAGES += [(512, 1)] * 5 + [(1024, 2), (1024, 1)]


def mobilenet(width, classes, size, channels=3):
    """MobileNetV1 of its plan: a convolution, 13 separable ones, a classifier."""
    images, places = (channels, size, size), []
    read, shape = IMAGES, images
    blocks = [("conv_3x3_relu", 32, 2), *(("separable", *stage) for stage in _STAGES)]
    for number, (operation, made, stride) in enumerate(blocks):
        layer = Layer(operation, shape[0], int(made * width), stride, *shape[1:])
        name = "conv" if not number else f"separable{number}"
        places.append(Place("layer", name, (read,), layer.shape, layer))
        read, shape = name, layer.shape
    last = Layer("classifier", shape[0], classes, 1, *shape[1:])
    places.append(Place("layer", "classifier", (read,), (classes, 1, 1), last))
    return int8_network(Plan(images, tuple(places), "classifier"), CONVOLUTIONS)


def resnet(stages, classes):
    """A residual network for 32x32 images as a plan; shortcuts that change the shape are 1x1.

    The ReLU behind an addition is the one before the next convolution, which is the same.
    """
    places, images = [], (3, 32, 32)

    def layer(name, operation, read, shape, channels, stride=1):
        made = Layer(operation, shape[0], channels, stride, *shape[1:])
        places.append(Place("layer", name, (read,), made.shape, made))
        return name, made.shape

    state, shape = layer("stem", "conv_3x3_relu", IMAGES, images, 16)
    for stage, blocks in enumerate(stages):
        for block in range(blocks):
            name, channels = f"{stage}.{block}", 16 * 2**stage
            stride = 2 if stage and not block else 1
            first, inner = layer(f"{name}.1", "conv_3x3_relu", state, shape, channels, stride)
            second, _ = layer(f"{name}.2", "conv_3x3_linear", first, inner, channels)
            short = state
            if stride == 2:
                short, _ = layer(f"{name}.0", "conv_1x1_linear", state, shape, channels, stride)
            places.append(Place("add", f"{name}.sum", (second, short), inner))
            state, shape = f"{name}.sum", inner
    layer("classifier", "classifier", state, shape, classes)
    return Plan(images, tuple(places), "classifier")


def wake_word():
    """40 features x 30 frames; separable convolutions along time, nothing padded; 3 classes."""
    write, state = Writer((40, 30, 1)), IMAGES
    for number, (kernel, channels) in enumerate([(3, 128), (5, 128), (10, 128), (15, 32)]):
        write.place = f"separable{number}"
        state = write.depthwise(state, (kernel, 1), valid=True)
        state = write.relu(write.conv(state, channels, 1))
    write.place = "classifier"
    return write.network(write.linear(state, 3))


def keywords():
    """DS-CNN: 49 frames x 10 features, a 10x4 convolution, four separable ones of 64 channels."""
    write = Writer((1, 49, 10))
    write.place = "conv"
    state = write.relu(write.conv(IMAGES, 64, (10, 4), 2))
    for number in range(4):
        write.place = f"separable{number}"
        state = write.relu(write.conv(write.relu(write.depthwise(state, 3)), 64, 1))
    write.place = "classifier"
    return write.network(write.linear(write.mean(state), 12))


def toy_car():
    """An autoencoder of 640 values: linear layers of 128, and 8 in the middle."""
    write, state = Writer((640, 1, 1)), IMAGES
    for number, channels in enumerate([128] * 4 + [8] + [128] * 4):
        write.place = f"linear{number}"
        state = write.relu(write.linear(state, channels))
    write.place = "last"
    return write.network(write.linear(state, 640))
