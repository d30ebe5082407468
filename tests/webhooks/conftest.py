"""A certificate of a name, for a receiver that is reached by its address."""

import ssl
from pathlib import Path

import pytest
from cryptography import x509

from tests.certificates import self_signed

NAME = "hooks.example.org"


@pytest.fixture(scope="session")
def named_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of the name, with its key, in one file."""
    return self_signed(tmp_path_factory.mktemp("tls") / "hooks.pem", NAME, x509.DNSName(NAME))


@pytest.fixture
def certificate_of_name(named_certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(named_certificate)
    return context


@pytest.fixture
def trusting(named_certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(named_certificate))
