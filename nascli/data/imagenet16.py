"""ImageNet16-120: what networks of NAS-Bench-201 were trained for; its images are not read here.

Chrabaszcz, Loshchilov and Hutter, A Downsampled Variant of ImageNet as an Alternative to the CIFAR
datasets, 2017 (arXiv 1707.08819); the 120 classes of Dong and Yang 2020 (arXiv 2001.00326).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nascli.core.fault import Fault

if TYPE_CHECKING:
    from nascli.data.split import Split
    from nascli.data.task import SplitName


class ImageNet16:
    """Colour images of 16x16 pixels in 120 classes, of which a table's answers are."""

    name = "imagenet16"
    input_shape = (3, 16, 16)
    classes = 120
    flips = True
    class_names = tuple(f"class_{label}" for label in range(classes))

    def split(self, name: SplitName) -> Split:
        """Raises a Fault: there are no images."""
        raise Fault(
            f"there are no {name} images of ImageNet16-120 here; give them as your own files, with "
            "data=arrays or data=image_folder"
        )
