"""SPIFFE: a workload of the trust domain acme.example, whose trust domain has an OIDC discovery provider.

The Workload API is gRPC, and not emulated: the server of the socket signs with `Emulator.sign_as`.
"""

from __future__ import annotations

from ant_wif.emulator._issuers import IdentityProvider


class EmulatedSpiffe(IdentityProvider):
    # SPIRE sets no `jti`, and `iss` only where a `jwt_issuer` is configured.
    name = "spiffe"
    source = "spiffe"
    subject = "spiffe://acme.example/ns/ci/sa/builder"
    lifetime_seconds = 300
    algorithms = ("RS256", "ES256")

    def svid(self, audience: str) -> str:
        """Return a JWT-SVID, whose audience is a list (JWT-SVID §3.2)."""
        return self.mint(claims={"aud": [audience]})

    def environment(self) -> dict[str, str]:
        # Nothing listens there unless a test does.
        return {"SPIFFE_ENDPOINT_SOCKET": f"unix://{self._folder.socket_path('agent.sock')}"}

    def identity_token(self) -> dict[str, object]:
        return {"source": self.source, "path": self._folder.write("spiffe/jwt_svid.token", self.svid(self.audience))}
