"""`python -m nascli` is `nas`, and so is `torchrun -m nascli`."""

from nascli.cli import main

if __name__ == "__main__":
    main()
