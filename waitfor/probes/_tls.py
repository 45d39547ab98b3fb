"""TLS contexts: which certificates are trusted and which one is shown."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache


@lru_cache
def tls_context(
    ca: str = "", cert: str = "", key: str = "", insecure: bool = False
) -> ssl.SSLContext:
    """A client's context; made once, since reading a bundle of authorities takes some 30 ms.

    Args:
        ca: a PEM file of authorities; empty for those of the system, or certifi's if it has none.
        cert: a PEM file with the client's certificate chain, and its key if ``key`` is empty.
        key: a PEM file with the client's key, not encrypted.
        insecure: verify nothing.

    Raises:
        ValueError: a file cannot be read or does not hold what it should.
    """
    context = ssl.create_default_context(cafile=None if insecure else _authorities(ca))
    # Since Python 3.13 strict by default, which refuses private authorities that every other
    # client in a cluster takes.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert:
        _readable("cert", cert)
        if key:
            _readable("key", key)
        try:
            # An encrypted key would otherwise ask for its password on the terminal.
            context.load_cert_chain(cert, key or None, password="")
        except (ssl.SSLError, ValueError):
            what = f"cert {cert!r} and key {key!r} are" if key else f"cert {cert!r} is"
            raise ValueError(f"{what} not a PEM certificate with its unencrypted key") from None
    return context


def _authorities(ca: str) -> str | None:
    named = "ca" if ca else "SSL_CERT_FILE"
    if path := ca or os.environ.get("SSL_CERT_FILE", ""):
        _readable(named, path)
        try:
            ssl.create_default_context(cafile=path)
        except ssl.SSLError:
            raise ValueError(f"{named} {path!r} holds no PEM certificate") from None
        return path
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        return None
    # Comes with httpx, for systems without authorities of their own.
    import certifi

    return certifi.where()


def _readable(named: str, path: str) -> None:
    try:
        with open(path, "rb") as file:
            content = file.read(1)
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else "not a path"
        raise ValueError(f"{named} {path!r} cannot be read: {words}") from None
    if not content:
        raise ValueError(f"{named} {path!r} is empty")
