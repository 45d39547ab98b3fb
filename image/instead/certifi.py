"""In the place of certifi, whose bundle would be a second one: httpx asks here for the image's."""

import os


def where():
    return os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
