"""`python -m pytest_ant_wif.moto_web_identity`: the server, until it is told to stop."""

from __future__ import annotations

import signal
from types import FrameType

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0, the default, is any free one.")
@click.option(
    "--enable", "accounts", multiple=True, metavar="ACCOUNT", help="Turn on the switch of this account, until a reset."
)
@click.option(
    "--signer-url", metavar="URL", help='Have tokens signed there: POST {"claims": …, "alg": …} gets {"token": …}.'
)
@click.option("--issuer-url", metavar="URL", help="The issuer of what is signed there, for `iss`.")
def main(host: str, port: int, accounts: tuple[str, ...], signer_url: str | None, issuer_url: str | None) -> None:
    """Serve moto, with STS GetWebIdentityToken and IAM's outbound web identity federation.

    The first line of output is the URL, for AWS_ENDPOINT_URL. SIGINT and SIGTERM end it.
    """
    try:
        from pytest_ant_wif.moto_web_identity.server import make_moto_server
    except ImportError as error:
        raise click.ClickException(f"{error}\nhint: pip install 'moto[server]'") from None
    from pytest_ant_wif.moto_web_identity import enable, install, remote_signer

    install(remote_signer(signer_url) if signer_url else None, issuer=issuer_url)
    for account_id in accounts:
        enable(account_id)
    server = make_moto_server(host, port)
    signal.signal(signal.SIGTERM, _interrupt)
    click.echo(f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}")
    # Returns when it is interrupted.
    server.serve_forever()


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main(prog_name="python -m pytest_ant_wif.moto_web_identity")
