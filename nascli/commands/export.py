"""`nas export`: a trained network as a file that runs without this package."""

from __future__ import annotations

from nascli import ui
from nascli.config import export as config
from nascli.config.compose import Asked

_PIXELS = {"uint8": "pixels 0 to 255", "float32": "numbers as it was trained on"}


def main(asked: Asked) -> None:
    """Exports, and prints the path of the file.

    Raises:
        Fault: the input is wrong.
    """
    listener = ui.Heard()
    run, parts = config.begin(asked, listener)
    from nascli.programs import export as program  # torch, which a wrong one does without

    with ui.logging_to(run):
        found = program.export(run, parts)
        card, report = parts.trained.card, found.report
        shape = " x ".join(map(str, card.input_shape))
        ui.say(
            f"{' and '.join(found.files)}: {report['bytes'] / 1e6:.2f} MB; takes images "
            f"(batch, {shape}) as float32 ({_PIXELS[card.pixels]}), normalises them itself, gives "
            f"{card.classes} logits"
        )
        ui.say(f"loaded back: logits differ by {report['difference']:.1e} of the largest at most")
        if "accuracy" in report:
            ui.say(
                f"on {report['images']} test images: {report['accuracy']:.2f} %, the network "
                f"itself {report['network_accuracy']:.2f} %"
            )
        ui.say(f"class names and whatever else its user needs: {run.path / 'network.json'}")
    ui.path(found.file)
