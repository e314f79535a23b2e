"""Configs and tables travel inside the wheel and are found from it, far from any checkout."""

import os
import subprocess
import sys
import zipfile

from fixtures import CHECKOUT


def test_an_installed_wheel_finds_its_configs(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        names = set(archive.namelist())
    for file in (CHECKOUT / "configs").rglob("*.yaml"):
        assert f"nascli/configs/{file.relative_to(CHECKOUT / 'configs').as_posix()}" in names
    assert {"nascli/tables/nasbench201.npz", "nascli/kernels/native/check.c"} <= names
    assert not any(name.startswith(("tests/", "outputs/")) for name in names)
    where = "import nascli, nascli.config; print(nascli.config.root())"
    env = {**os.environ, "PYTHONPATH": str(site)}
    root = subprocess.run([sys.executable, "-c", where], env=env, cwd=tmp_path, capture_output=True)
    assert root.stdout.decode().strip() == str(site / "nascli" / "configs")
    search = ["search", "strategy=random", "space=nasbench201", "estimator=table"]
    nas = [sys.executable, "-c", "from nascli.cli import main; main()", *search]
    done = subprocess.run(nas, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / done.stdout.strip() / "genotype.json").exists()


def test_a_checkout_finds_its_configs():
    from nascli.config import root

    assert root() == CHECKOUT / "configs"
