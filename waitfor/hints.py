"""What a person can do about a cause: the line that follows a reason."""

from __future__ import annotations

from waitfor.result import Cause

_DNS_DOWN = (
    "the nameserver may be down, or a NetworkPolicy keeps port 53 shut"
    " (kubectl -n kube-system get pods -l k8s-app=kube-dns)"
)
_HEADLESS = (
    "in Kubernetes: a headless Service has a record for each ready pod (kubectl get endpointslices)"
)

HINTS = {
    Cause.NXDOMAIN: "in Kubernetes: no Service has that name, or it is in another namespace and is"
    " called NAME.NAMESPACE (kubectl get services -A)",
    Cause.NO_RECORDS: f"{_HEADLESS}, so none may be ready",
    Cause.TOO_FEW_RECORDS: _HEADLESS,
    Cause.SERVFAIL: "the nameserver failed to find out: the server it asks in turn may be down",
    Cause.DNS_REFUSED: "the nameserver does not answer for this name or this client",
    Cause.DNS_TIMEOUT: _DNS_DOWN,
    Cause.DNS_UNREACHABLE: _DNS_DOWN,
    Cause.LOOKUP_FAILED: _DNS_DOWN,
    Cause.LOOKUP_TIMEOUT: _DNS_DOWN,
    Cause.NO_NAMESERVER: "in Kubernetes: dnsPolicy None wants dnsConfig.nameservers",
    Cause.REFUSED: "nothing listens on that port, or the Service has no ready pods"
    " (kubectl get endpointslices)",
    Cause.UNREACHABLE: "no network leads there, or a firewall says so",
    Cause.CONNECT_TIMEOUT: "something drops the packets: a NetworkPolicy, a firewall, or a port"
    " that the Service does not have (kubectl get services,networkpolicies)",
    Cause.CLOSED: "something listens, such as a sidecar proxy, but what stands behind it may be"
    " down",
    Cause.RESPONSE_TIMEOUT: "it may still be starting; a slow answer wants a longer"
    " attempt-timeout",
    Cause.TLS_VERIFY: "an authority of your own is trusted with ca=FILE; if the name is at fault,"
    " host=NAME",
    Cause.TLS_FAILED: "a port that speaks plain HTTP wants http://",
    Cause.TLS_TIMEOUT: "a port that speaks no TLS wants http://",
    Cause.PROTOCOL: "another protocol may be spoken on that port; TLS wants https://",
}
"""One line for each cause that has a usual remedy."""
