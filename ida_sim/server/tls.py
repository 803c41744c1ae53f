"""TLS of the server: a certificate that the user gives, or one that is made for this machine alone."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple

from ida_core import ConfigError

#: What a certificate of our own is for.
NAMES = ("localhost", "127.0.0.1", "::1")


class ServerTls(NamedTuple):
    """``ca_file`` is what a client must trust; None where the certificate is the user's."""

    context: ssl.SSLContext
    ca_file: Path | None


def server_tls(certificate: Path | None, key: Path | None, folder: Path) -> ServerTls:
    """The context for ``--tls``.

    Args:
        certificate: PEM, the server's first and those above it behind; None: one is made.
        key: PEM; None: it stands in ``certificate`` too.
        folder: where ``ca.pem`` is written, if a certificate is made.
    Raises:
        ConfigError: a file that cannot be read or does not fit, or nothing here can make a certificate.
    """
    if certificate is None:
        if key is not None:
            raise ConfigError(f"--tls-key {key} needs --tls-cert: a key alone is no certificate")
        return _own(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as problem:
        files = f"--tls-cert {certificate}{f' --tls-key {key}' if key else ''}"
        raise ConfigError(f"{files} cannot be used: {problem.strerror or problem}") from problem
    return ServerTls(context, None)


def _own(folder: Path) -> ServerTls:
    try:
        import trustme
    except ImportError:
        raise ConfigError(
            "--tls without --tls-cert makes a certificate with the package trustme, which is not installed: "
            "pip install trustme, or give --tls-cert and --tls-key") from None
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*NAMES).configure_cert(context)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return ServerTls(context, file)
