"""TLS contexts: which certificates are trusted and which one is shown."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

Stamp = tuple[int, ...]


def tls_context(
    ca: str = "", cert: str = "", key: str = "", insecure: bool = False
) -> ssl.SSLContext:
    """A client's context; made once, since reading a bundle of authorities takes some 30 ms.

    Args:
        ca: a PEM file of authorities; empty for the file that SSL_CERT_FILE names, or else those
            of the system, or else certifi's.
        cert: a PEM file with the client's certificate chain, and its key if ``key`` is empty.
        key: a PEM file with the client's key, not encrypted.
        insecure: verify nothing.

    Raises:
        ValueError: a file cannot be read or does not hold what it should.
    """
    named = "ca" if ca else "SSL_CERT_FILE"
    authorities = "" if insecure else ca or os.environ.get("SSL_CERT_FILE", "")
    files = ((named, authorities), ("cert", cert), ("key", key))
    stamps = tuple(_stamp(*file) for file in files)
    return _made(named, authorities, cert, key, insecure, stamps)


@lru_cache
def _made(
    named: str, authorities: str, cert: str, key: str, insecure: bool, _: tuple[Stamp, ...]
) -> ssl.SSLContext:
    # Not create_default_context: since Python 3.13 that is strict, and refuses private authorities
    # which every other client in a cluster takes.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # As in Go and curl, whatever `ca` names is trusted, an intermediate authority too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif authorities:
        try:
            context.load_verify_locations(cafile=authorities)
        except ssl.SSLError:
            raise ValueError(f"{named} {authorities!r} holds no PEM certificate") from None
        except OSError as error:
            raise _unreadable(named, authorities, error) from None
    else:
        _trust_system(context)
    if cert:
        _show(context, cert, key)
    return context


def _trust_system(context: ssl.SSLContext) -> None:
    paths = ssl.get_default_verify_paths()
    # Debian's openssl makes the directory, and leaves it empty until ca-certificates comes.
    try:
        found = paths.cafile or (paths.capath and os.listdir(paths.capath))
    except OSError as error:
        raise _unreadable("SSL_CERT_DIR", str(paths.capath), error) from None
    if found:
        context.load_default_certs()
        return
    # Comes with httpx, for systems without authorities of their own.
    import certifi

    try:
        context.load_verify_locations(cafile=certifi.where())
    except OSError:
        raise ValueError("no authorities to trust are here: add ca=FILE or SSL_CERT_FILE") from None


def _show(context: ssl.SSLContext, cert: str, key: str) -> None:
    asked = []

    def password() -> str:
        # Without an answer from here OpenSSL would ask on the terminal.
        asked.append(True)
        return ""

    holder = f"key {key!r}" if key else f"the key in cert {cert!r}"
    try:
        context.load_cert_chain(cert, key or None, password=password)
    except ssl.SSLError as error:
        if asked:
            raise ValueError(f"{holder} is encrypted: give one without a password") from None
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"{holder} does not belong to the certificate") from None
        what = f"cert {cert!r} and key {key!r} are" if key else f"cert {cert!r} is"
        raise ValueError(f"{what} not a PEM certificate and its key{_reason(error)}") from None
    except OSError as error:
        raise _unreadable("cert", cert, error) from None


def _unreadable(named: str, path: str, error: OSError) -> ValueError:
    return ValueError(f"{named} {path!r} cannot be read: {error.strerror}")


def _reason(error: ssl.SSLError) -> str:
    """What OpenSSL has against a certificate that it could read, such as a key too small."""
    plain = error.reason in (None, "NO_START_LINE", "BAD_BASE64_DECODE", "PEM_LIB")
    return "" if plain else f" ({str(error.reason).replace('_', ' ').lower()})"


def _stamp(named: str, path: str) -> Stamp:
    """What changes when a file does, as a Secret's files do that Kubernetes renews."""
    if not path:
        return ()
    try:
        with open(path, "rb") as file:
            about = os.fstat(file.fileno())
            if not file.read(1):
                raise ValueError(f"{named} {path!r} is empty")
    except OSError as error:
        raise _unreadable(named, path, error) from None
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns
