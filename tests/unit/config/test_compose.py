import shlex
from dataclasses import replace
from pathlib import Path

from fixtures import asked, composed

from nascli.config import overrides


def test_a_command_to_go_on_with_finds_everything_again():
    now = asked(composed())
    assert now.then("retrain", "genotype=outputs/x", outputs="outputs") == (
        "nas retrain genotype=outputs/x"
    )
    own = replace(now, directories=[Path("/my own"), Path("/a=b,c")])
    line = own.then("retrain", "genotype=new,out=1/it's", outputs="new,out=1")
    assert shlex.split(line) == [
        *("nas", "retrain", "--config-dir", "/my own", "--config-dir", "/a=b,c"),
        *("genotype=new,out=1/it's", "outputs=new,out=1"),
    ]


def test_images_that_have_moved_are_found_again_too():
    moved = ["data=image_folder", "data.path='it\\'s'", "resume=r"]
    now = asked(composed(*moved), overrides=moved)
    words = shlex.split(now.then("search", "resume=r"))
    assert words == ["nas", "search", "resume=r", "data.path='it\\'s'"]
    assert overrides.quoted(words[3:]) == words[3:]
    begun = asked(composed(*moved[:2]), overrides=moved[:2])
    assert begun.then("search", "resume=r") == "nas search resume=r"
