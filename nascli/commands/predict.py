"""`nas predict`: what a trained network sees in image files."""

from __future__ import annotations

from nascli import ui
from nascli.config import predict as config
from nascli.config.compose import Asked
from nascli.programs.predict import predict


def main(asked: Asked) -> None:
    """Prints a line for every image: file, class, probability, with tabs between.

    Raises:
        Fault: the input is wrong.
    """
    for file, classes in predict(config.build(asked)):
        ui.out("\t".join([str(file), *(f"{name}\t{share:.4f}" for name, share in classes)]))
