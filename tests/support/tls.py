"""Certificates for tests: authorities of their own, made anew for each run."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path
from typing import Any

import trustme

CA = trustme.CA()
STRANGER = trustme.CA()
"""An authority that signs nothing that should be trusted."""


def server_context(*names: str, ca: trustme.CA = CA, days: int = 1) -> ssl.SSLContext:
    """A server that shows a certificate for these names; expired if ``days`` is negative."""
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    since = until - datetime.timedelta(days=9)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*(names or ("127.0.0.1",)), not_before=since, not_after=until).configure_cert(
        context
    )
    return context


def self_signed_context(folder: Path) -> ssl.SSLContext:
    """A server that shows a certificate signed by itself."""
    pem = folder / "self-signed.pem"
    pem.write_bytes(STRANGER.private_key_pem.bytes() + STRANGER.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def client_files(folder: Path, ca: trustme.CA = CA) -> tuple[Path, Path]:
    """Files of a client's certificate and of its key."""
    issued = ca.issue_cert("client@example.com")
    cert, key = folder / "client.crt", folder / "client.key"
    cert.write_bytes(issued.cert_chain_pems[0].bytes())
    key.write_bytes(issued.private_key_pem.bytes())
    return cert, key


def encrypted_key(key: Path, into: Path) -> Path:
    """The same key under a password."""
    from cryptography.hazmat.primitives import serialization

    loaded: Any = serialization.load_pem_private_key(key.read_bytes(), None)
    into.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    return into
