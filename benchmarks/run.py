"""Everything that `make bench` measures, beside the official SDK, in one run against the emulator.

Prints one table, and writes it with the figures beside it. It marks a bar that is missed and compares each ratio with
the one in `baseline.json`, and fails for neither: that is for a person to judge. A ratio is the median of pairs that
are measured in turn, so that a busy machine slows both sides alike.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import cache_folder
import emulator_exchange
import emulator_memory
import emulator_suite
import exec_minutes
import exec_overhead
import expired_login
import federation_profile
import first_request
import first_response
import kills
import owner_checks
import peak_memory
import plugin_cost
import requests_with_auth
import short_tokens
import single_use_file
import startup
import token_call
from stage import Stage
from table import Row, keep_baseline, markdown, read_baseline, write

from ant_wif.emulator import Emulator

CASES = {
    module.__name__: module.rows
    for module in (
        single_use_file, cache_folder, federation_profile, expired_login, token_call, requests_with_auth,
        first_response, first_request, short_tokens, kills, owner_checks, peak_memory, startup, plugin_cost,
        exec_overhead, exec_minutes, emulator_exchange, emulator_memory, emulator_suite,
    )
}  # fmt: skip
BASELINE = Path(__file__).with_name("baseline.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=10, help="repetitions of what is timed")
    parser.add_argument("--kills", type=int, default=200, help="processes to kill")
    parser.add_argument("--output", type=Path, default=Path("build/bench.md"), help="where the table goes")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--keep", action="store_true", help="store the ratios of this run as the baseline")
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="ant-wif-bench-") as folder, Emulator() as emulator:
        stage = Stage(emulator, Path(folder), options.runs, options.kills)
        for name in options.only:
            started = time.perf_counter()
            rows += CASES[name](stage)
            print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    baseline = read_baseline(BASELINE)
    write(rows, options.output, baseline)
    print(markdown(rows, baseline), end="")
    if options.keep:
        keep_baseline(rows, BASELINE)


if __name__ == "__main__":
    main()
