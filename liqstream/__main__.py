"""`python -m liqstream` is the `liqstream` command."""

from liqstream.cli import main

if __name__ == "__main__":
    main()
