"""Lets python -m relayer.cli do what the relayer command does."""

from relayer.cli.main import main

if __name__ == "__main__":
    main()
