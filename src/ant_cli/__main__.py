"""`python -m ant_cli`."""

from ant_cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
