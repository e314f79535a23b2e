"""Microcontrollers that people have, with the memory that their makers state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Chip(NamedTuple):
    """A chip, its flash and the largest piece of RAM in one block (both KiB), and who says so."""

    flash_kib: int
    ram_kib: int
    core: str
    source: str


CHIPS: Mapping[str, Chip] = {
    "stm32f103c8": Chip(64, 20, "Cortex-M3", "ST DS5319; the Blue Pill board"),
    "stm32f446re": Chip(512, 128, "Cortex-M4", "ST DS10693; Nucleo-F446RE"),
    "stm32f746zg": Chip(1024, 320, "Cortex-M7", "ST DS10916; Nucleo-F746ZG, SRAM with DTCM"),
    "stm32h743zi": Chip(2048, 512, "Cortex-M7", "ST DS12110; AXI SRAM of 1 MiB in all"),
    "stm32l4r5zi": Chip(2048, 640, "Cortex-M4", "ST DS12023; reference board of MLPerf Tiny"),
    "nrf52840": Chip(1024, 256, "Cortex-M4", "Nordic nRF52840 PS; Arduino Nano 33 BLE Sense"),
    "rp2040": Chip(2048, 264, "Cortex-M0+", "RP2040 datasheet; flash of the Raspberry Pi Pico"),
    "esp32-s3": Chip(8192, 512, "Xtensa LX7", "ESP32-S3 datasheet; flash of the -WROOM-1-N8"),
}
"""Name -> chip, the smallest first."""
