"""How long the page of a search of 10,000 trials takes a browser, from opening to all drawn.

python benchmarks/report_page.py [trials]      (default: 10000; needs chromium)

A search on NAS-Bench-201's table leaves its report.html; headless Chromium opens it in a window of
1200 x 900 pixels. The time is that from the beginning of loading to the load event, by when the
scripts of the page have drawn its charts and its table.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import tabular

from nascli.devices.cpu import processor

REPEATS = 5
OUTSIDE = """<!DOCTYPE html><body><script>
const frame = Object.assign(document.createElement("iframe"), { width: 1200, height: 900 });
const start = performance.now();
frame.addEventListener("load", () => {
  const rows = frame.contentDocument.querySelectorAll("#trials tbody tr").length;
  document.title = `${performance.now() - start} ${rows}`;
});
frame.src = "report.html";
document.body.append(frame);
</script>"""


def opened(run: Path) -> float:
    """Seconds to open the page of a run."""
    (run / "outside.html").write_text(OUTSIDE, encoding="utf-8")
    command = [shutil.which("chromium"), "--headless", "--no-sandbox", "--disable-gpu"]
    command += ["--allow-file-access-from-files", "--timeout=30000", "--dump-dom"]
    done = subprocess.run(
        [*command, f"file://{run / 'outside.html'}"], capture_output=True, text=True, check=True
    )
    took, rows = re.search(r"<title>([\d.]+) (\d+)</title>", done.stdout).groups()
    assert int(rows) == 25, "the table is not there"
    return float(took) / 1000


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    words = ["strategy=random", "space=nasbench201", "estimator=table", f"budget.trials={trials}"]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from nascli.cli import main; main()", "search", *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        run = Path(folder).resolve() / done.stdout.strip()
        seconds = [opened(run) for _ in range(REPEATS)]
        size = (run / "report.html").stat().st_size
        found = re.search(r'id="data">(.*?)</script>', (run / "report.html").read_text(), re.DOTALL)
    data = len(found[1].encode())
    result = {"trials": trials, "seconds": [round(one, 3) for one in seconds]}
    result |= {"page_bytes": size, "bytes_without_data": size - data}
    version = subprocess.run(["chromium", "--version"], capture_output=True, text=True).stdout
    load = round(os.getloadavg()[0], 1)
    result |= {"machine": f"{processor()}, {os.cpu_count()} cores, load {load}"}
    result |= {"browser": version.strip()}
    print(result)
    tabular.save("report_page", result)


if __name__ == "__main__":
    main()
