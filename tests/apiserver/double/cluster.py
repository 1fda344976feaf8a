# SPDX-License-Identifier: Apache-2.0
"""What is there from the start: the system's namespaces and the service default/kubernetes."""

import ipaddress

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


def populate(server):
    """server.endpoints, the addresses listened at, are known by now."""
    life, registry = server.lifecycle, server.registry
    namespaces = registry.find("", "v1", "namespaces")
    for name in NAMESPACES:
        life.create(namespaces, "", {"metadata": {"name": name}})
    labels = {"component": "apiserver", "provider": "kubernetes"}
    life.create(registry.find("", "v1", "services"), "default", {
        "metadata": {"name": "kubernetes", "labels": labels},
        "spec": {"ports": [{"name": "https", "port": 443,
                            "targetPort": server.endpoints[0][1]}]}})
    slices = registry.find("discovery.k8s.io", "v1", "endpointslices")
    for i, (address, port) in enumerate(server.endpoints):
        life.create(slices, "default", {
            "metadata": {"name": "kubernetes" if i == 0 else f"kubernetes-{i}",
                         "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "addressType": f"IPv{ipaddress.ip_address(address).version}",
            "ports": [{"name": "https", "protocol": "TCP", "port": port}],
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}]})
    _endpoints(server, life, registry)


def _endpoints(server, life, registry):
    """The Endpoints object has the first family only, as in a real cluster."""
    first = ipaddress.ip_address(server.endpoints[0][0]).version
    life.create(registry.find("", "v1", "endpoints"), "default", {
        "metadata": {"name": "kubernetes",
                     "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{"addresses": [{"ip": a}],
                     "ports": [{"name": "https", "protocol": "TCP", "port": p}]}
                    for a, p in server.endpoints if ipaddress.ip_address(a).version == first]})
