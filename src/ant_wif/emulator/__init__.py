"""A local emulator of the Claude Platform's authentication.

    with Emulator() as emulator:
        subprocess.run([...], env={**os.environ, **emulator.env("github")})
        assert emulator.exchanges == 1

Needs the extra `ant-wif[emulator]`.
"""

try:
    from ant_wif.emulator._console.browser import Landing
    from ant_wif.emulator._oauth.logins import Login
    from ant_wif.emulator._state.history import ExchangeRecord, RecordedCredential, RecordedRequest, RequestList
    from ant_wif.emulator._state.replies import ScriptedReply
    from ant_wif.emulator.emulator import Emulator
    from ant_wif.emulator.faults import Fault
except ModuleNotFoundError as error:
    if error.name is None or error.name.startswith("ant_wif"):
        raise
    raise ModuleNotFoundError(
        f"the emulator needs {error.name}: pip install 'ant-wif[emulator]'", name=error.name
    ) from None

__all__ = [
    "Emulator",
    "ExchangeRecord",
    "Fault",
    "Landing",
    "Login",
    "RecordedCredential",
    "RecordedRequest",
    "RequestList",
    "ScriptedReply",
]
