"""Where the programs `ant` and `ant-wif` begin, and `python -m ant_cli`: Ctrl-C is quiet from here on."""

import gc
import os

try:
    import _signal as signal  # type: ignore[import-not-found]  # signal makes enums of all names, which takes a millisecond
except KeyboardInterrupt:
    os._exit(130)

_COLLECT_AFTER = 100_000
"""New objects before a search for garbage. Python's 700 takes 7 % of the time of the imports, which leave none."""


def main() -> int:
    """Run `ant` and return its exit status.

    Ctrl-C while Python imports or ends would print a traceback, or be lost: it comes to whatever code runs just then.
    """
    gc.set_threshold(_COLLECT_AFTER)
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:  # and not ignored, as in the background of a script
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from ant_cli.main import main as run

    if is_default:
        quietly = signal.signal(signal.SIGINT, signal.default_int_handler)
    status = run()
    if is_default:
        signal.signal(signal.SIGINT, quietly)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
