from nascli.core.words import counted


def test_one_and_several():
    assert [counted(n, "epoch") for n in (0, 1, 2, 1200)] == [
        "0 epochs",
        "1 epoch",
        "2 epochs",
        "1,200 epochs",
    ]
    assert counted(1, "class") == "1 class"
    assert counted(3, "class") == "3 classes"
