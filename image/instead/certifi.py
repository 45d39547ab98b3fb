"""In the place of certifi, whose bundle would be a second one: httpx asks here for the image's."""

import os


def where():
    return os.environ["SSL_CERT_FILE"]
