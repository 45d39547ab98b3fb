"""What a person can do about a cause: the line that follows a reason."""

from __future__ import annotations

from waitfor.result import Cause

_DNS_DOWN = (
    "the cluster's DNS may be down, or a NetworkPolicy keeps port 53 shut"
    " (kubectl -n kube-system get pods -l k8s-app=kube-dns)"
)

HINTS = {
    Cause.NXDOMAIN: "in Kubernetes: no Service of that name, or it is in another namespace and is"
    " called NAME.NAMESPACE (kubectl get services -A)",
    Cause.NO_RECORDS: "in Kubernetes: a headless Service without ready pods"
    " (kubectl get endpointslices)",
    Cause.TOO_FEW_RECORDS: "in Kubernetes: a headless Service has a record for each ready pod"
    " (kubectl get endpointslices)",
    Cause.SERVFAIL: "the nameserver failed to find out: the server it asks in turn may be down",
    Cause.DNS_REFUSED: "the nameserver does not answer for this name or this client",
    Cause.DNS_TIMEOUT: _DNS_DOWN,
    Cause.DNS_UNREACHABLE: _DNS_DOWN,
    Cause.LOOKUP_FAILED: _DNS_DOWN,
    Cause.LOOKUP_TIMEOUT: _DNS_DOWN,
    Cause.NO_NAMESERVER: "in Kubernetes: dnsPolicy None wants dnsConfig.nameservers",
    Cause.REFUSED: "nothing listens on that port; in Kubernetes: or the Service has no ready"
    " endpoints (kubectl get endpointslices)",
    Cause.UNREACHABLE: "no network leads there, or a firewall says so",
    Cause.CONNECT_TIMEOUT: "something drops the packets: a NetworkPolicy, a firewall, or a port"
    " that the Service does not have (kubectl get service,networkpolicy)",
    Cause.CLOSED: "something listens, such as a sidecar proxy, but what stands behind it may be"
    " down",
    Cause.TLS_VERIFY: "trust its authority with ca=FILE; if the name is the fault, host=NAME",
    Cause.TLS_FAILED: "a port that speaks plain HTTP wants http://",
    Cause.PROTOCOL: "another protocol may be spoken on that port; TLS wants https://",
}
"""One line for each cause that has a usual remedy."""
