"""moto with outbound web identity federation: STS GetWebIdentityToken, and IAM's switch for it.

`install()` adds them to moto for the whole process, under `moto.mock_aws()` as in a moto server. As in real AWS the
switch of an account is off to begin with: `enable()` turns it on, or any IAM client.
`python -m pytest_ant_wif.moto_web_identity` is a moto server that has them, for clients in other processes.
"""

from pytest_ant_wif.moto_web_identity.installation import enable, install, jwks
from pytest_ant_wif.moto_web_identity.signing import Signer, remote_signer

__all__ = ["Signer", "enable", "install", "jwks", "remote_signer"]
