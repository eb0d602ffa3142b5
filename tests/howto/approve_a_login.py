import re
import subprocess
import sys
import tempfile

import ant_wif
from ant_wif.emulator import Emulator

with Emulator() as emulator, tempfile.TemporaryDirectory() as home:
    environ = {
        "HOME": home,
        "ANTHROPIC_BASE_URL": emulator.base_url,
        "ANTHROPIC_CONSOLE_URL": emulator.base_url,
    }
    terminal = subprocess.Popen(
        [sys.executable, "-m", "ant_cli", "auth", "login", "--no-browser"],
        env=environ,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert terminal.stderr
    url = next(line.strip() for line in terminal.stderr if "/oauth/authorize?" in line)
    terminal.communicate(f"{emulator.approve(url).code}\n")
    print(re.sub(r"wrkspc_\w+", "wrkspc_…", str(ant_wif.report(environ=environ).workspace.id)))
