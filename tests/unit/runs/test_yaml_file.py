import time

import pytest

from nascli.core.fault import Fault
from nascli.runs import yaml_file


def read(tmp_path, text):
    file = tmp_path / "config.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return yaml_file.resolved(yaml_file.read(file), file)


def test_references_to_own_keys_are_followed(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/secret")
    text = "a: {b: 3, c: '${a.b}'}\nd: 'x${a.b}${e}'\ne: y\nf: ${a}\n"
    assert read(tmp_path, text) == {
        "a": {"b": 3, "c": 3},
        "d": "x3y",
        "e": "y",
        "f": {"b": 3, "c": 3},
    }


SWELLING = "a0: xxxxxxxxxx\n" + "".join(
    f"a{n}: '{'${a' + str(n - 1) + '}'}{'${a' + str(n - 1) + '}'}'\n" for n in range(1, 8)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: ${oc.env:HOME}", "refers to more than keys of the file itself"),
        ("a: ${oc.env:HOME,x}", "refers to more than keys of the file itself"),
        ("a: ${now:%Y}", "refers to more than keys of the file itself"),
        ("a: {b: [1, 'x${oc.decode:1}']}", "refers to more than keys of the file itself"),
        ("a: ${b.${c}}\nc: d", "refers to more than keys of the file itself"),
        ("a: {b: '${.c}', c: 1}", "refers to more than keys of the file itself"),
        ("a: ${b", "refers to more than keys of the file itself"),
        ("a: ${b}", "Interpolation key 'b' not found"),
        ("a: ${a}", "is the end of more than 8 references"),
        ("a: {b: '${a}'}", "is the end of more than 8 references"),
        ("a: &x [1]\nb: *x", "line 2 has the alias *x; write out what it means"),
        ("a: &x {b: 1}\nc: {<<: *x}", "line 2 has the alias *x"),
        ("a: " + "[" * 41 + "]" * 41, "more than 40 lists and mappings deep"),
        ("a: " + "[" * 3000 + "]" * 3000, "not a readable config"),
        ("a: " + "9" * 40, "has more than 64 bits"),
        ("a: " + "9" * 5000, "not a readable config: Exceeds the limit"),
        ("a: 0x" + "f" * 5000, "not a readable config"),
        ("{1: 2}", "the key 1 is no text"),
        ("a: !!binary aGk=", "it holds b'hi'"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: {b: 1, b: 2}", "while constructing a mapping"),
        (b"a: \xff", "can't decode"),
        (b"a: \x00", "unacceptable character"),
        ("a: 'x'\n" * 50_000, "the most that is read are 60,000"),
    ],
)
def test_what_no_run_folder_has(tmp_path, text, says):
    with pytest.raises(Fault) as caught:
        read(tmp_path, text)
    assert says in str(caught.value)
    assert "config.yaml" in str(caught.value)


def test_references_that_swell_are_not_followed(tmp_path):
    assert len(read(tmp_path, SWELLING)["a7"]) == 10 * 2**7
    wide = "a0: xxxxxxxxxx\n" + "".join(
        f"a{n}: '{('${a' + str(n - 1) + '}') * 100}'\n" for n in range(1, 8)
    )
    start = time.monotonic()
    with pytest.raises(Fault, match="would swell to"):
        read(tmp_path, wide)
    assert time.monotonic() - start < 5
