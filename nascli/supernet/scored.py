"""What scores with shared weights can be asked for; looked at without torch."""

from __future__ import annotations

from nascli.core.fault import Fault


def check(
    batch_size: int,
    recalibration_batches: int,
    images: int | None = None,
    recalibration_images: str = "plain",
) -> None:
    """Raises a Fault for a value of `nascli.supernet.scoring.Scoring` that makes no sense."""
    given = {"batch_size": batch_size, "recalibration_batches": recalibration_batches}
    given |= {} if images is None else {"images": images}
    for key, value in given.items():
        if value < 1:
            raise Fault(f"estimator.{key} is {value}; it must be at least 1")
    if recalibration_images not in ("augmented", "plain"):
        raise Fault(
            f"estimator.recalibration_images is {recalibration_images}; it must be augmented "
            "or plain"
        )
