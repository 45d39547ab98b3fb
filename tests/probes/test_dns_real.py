"""Real nameservers: dnsmasq, unbound, and unbound as a cache in front of dnsmasq."""

import time

import pytest
from support.dns import dnsmasq, look_at, unbound

from waitfor.result import Cause

ZONE = (
    "--auth-server=ns.test,lo",
    "--auth-zone=test",
    "--auth-ttl=30",
    "--auth-soa=1,hostmaster.test,3600,600,86400",
    "--host-record=mydb.test,10.0.0.1,fd00::1",
    "--host-record=one.test,10.0.0.1",
    "--cname=www.test,mydb.test",
    "--srv-host=_http._tcp.api.test,mydb.test,8080",
    "--mx-host=mail.test,mydb.test,10",
    "--txt-record=mydb.test,v=1; ready",
    *(f"--host-record=many.test,10.0.{i // 250}.{i % 250 + 1}" for i in range(300)),
    *(f"--txt-record=long.test,{str(i) * 100}" for i in range(10, 60)),
)
LOCAL = """
  local-zone: "test." static
  local-data: "mydb.test. A 10.0.0.1"
  local-data: "mydb.test. AAAA fd00::1"
  local-data: "one.test. A 10.0.0.1"
  local-data: "www.test. CNAME mydb.test."
  local-data: "_http._tcp.api.test. SRV 0 0 8080 mydb.test."
  local-data: "mail.test. MX 10 mydb.test."
  local-data: "test. NS ns.test."
  local-data: 'zone.test. CAA 0 issue "ca.example"'
  local-data: 'mydb.test. TXT "v=1; ready"'
  local-data-ptr: "10.1.2.3 host.test."
  local-zone: "refused." refuse
"""
FORWARD = """
  local-zone: "test." nodefault
  neg-cache-size: 1m
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Dnsmasq, authoritative for test."""
    with dnsmasq(tmp_path_factory.mktemp("dnsmasq"), *ZONE) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Unbound with the same records of its own."""
    with unbound(tmp_path_factory.mktemp("unbound"), LOCAL) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def cache(tmp_path_factory, authority):
    """Unbound that asks that dnsmasq."""
    stub = authority.replace(":", "@")
    rest = f'stub-zone:\n  name: "test"\n  stub-addr: {stub}\n'
    rest += f'forward-zone:\n  name: "."\n  forward-addr: {stub}\n'
    with unbound(tmp_path_factory.mktemp("cache"), FORWARD, rest) as port:
        yield f"127.0.0.1:{port}"


ALL = ["authority", "local", "cache"]


@pytest.mark.needs("dnsmasq", "unbound", "ip")
@pytest.mark.parametrize("server", ALL)
@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("mydb.test", "mydb.test has 10.0.0.1, fd00::1"),
        ("MYDB.test.#type=AAAA,expect=fd00:0::1", "MYDB.test has fd00::1"),
        ("one.test", "one.test has 10.0.0.1"),
        ("www.test#type=CNAME,expect=mydb.test", "www.test has mydb.test"),
        (
            "_http._tcp.api.test#type=SRV,expect=mydb.test:8080",
            "_http._tcp.api.test has {} 8080 mydb.test",
        ),
        ("mail.test#type=MX,expect=mydb.test", "mail.test has 10 mydb.test"),
        ("mydb.test#type=TXT,expect=v=1; ready", "mydb.test has v=1; ready"),
        ("test#type=NS,expect=ns.test", "test has ns.test"),
    ],
)
def test_found(request, server, name, detail):
    """What a real server has is found, through a cache too."""
    result = look_at(f"dns://{request.getfixturevalue(server)}/{name}")
    assert (result.cause, result.detail) == (Cause.READY, detail.format("0 0"))


@pytest.mark.needs("dnsmasq", "unbound")
@pytest.mark.parametrize("server", ALL)
@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("nope.test", Cause.NXDOMAIN),
        ("one.test#type=AAAA", Cause.NO_RECORDS),
        ("mydb.test#type=SRV", Cause.NO_RECORDS),
        ("mydb.test#min=2", Cause.TOO_FEW_RECORDS),
        ("mydb.test#expect=10.0.0.2", Cause.OTHER_RECORDS),
    ],
)
def test_not_found(request, server, name, cause):
    """What a real server lacks is told apart, through a cache too."""
    assert look_at(f"dns://{request.getfixturevalue(server)}/{name}").cause is cause


@pytest.mark.needs("unbound")
@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("10.1.2.3#type=PTR,expect=host.test", Cause.READY),
        ("zone.test#type=CAA,expect=0 issue ca.example", Cause.READY),
        ("mydb.refused", Cause.DNS_REFUSED),
    ],
)
def test_more_of_unbound(local, name, cause):
    """Reverse names, CAA, and a refusal."""
    assert look_at(f"dns://{local}/{name}").cause is cause


@pytest.mark.needs("dnsmasq", "unbound")
def test_servfail_of_a_cache(cache):
    """A cache that is refused by the server behind it says SERVFAIL, and so does the look."""
    result = look_at(f"dns://{cache}/elsewhere.example")
    assert (result.cause, result.detail) == (
        Cause.SERVFAIL,
        f"SERVFAIL from {cache} for elsewhere.example",
    )


@pytest.mark.needs("dnsmasq", "unbound")
@pytest.mark.parametrize("server", ["authority", "cache"])
def test_long_answers(request, server):
    """What does not fit into a datagram comes over TCP, whole."""
    where = request.getfixturevalue(server)
    assert look_at(f"dns://{where}/many.test#min=300").ready
    assert look_at(f"dns://{where}/long.test#type=TXT,min=50,expect={'59' * 100}").ready


@pytest.mark.needs("dnsmasq", "unbound")
@pytest.mark.parametrize("name", ["missing.test#type=A", "one.test#type=AAAA"])
def test_denial_that_a_cache_holds(authority, cache, name):
    """From a cache a denial comes with the seconds that it will last, from its source without."""
    until = time.monotonic() + 5
    # The first answer is fresh; the cache counts down once the next second has begun.
    while (held := look_at(f"dns://{cache}/{name}").retry_after) is None:
        assert time.monotonic() < until
    assert 20 <= held <= 29
    assert look_at(f"dns://{authority}/{name}").retry_after is None
