#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sends hand-made frames out of eth0, as a pod that does not keep to its own addresses would.

usage: frames.py KIND GATEWAY_MAC [OPTION=VALUE...]

KIND: udp, arp-reply, na, ra. Options: src and dst (addresses; an ra has the link-local one of its
MAC unless told), mac (source; default: the device's own), text (the payload), target (the address
claimed by arp-reply or na).
"""
import sys

from scapy.all import (ARP, Ether, ICMPv6ND_NA, ICMPv6ND_RA, ICMPv6NDOptDstLLAddr,
                       ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr, IP, IPv6, Raw, UDP,
                       get_if_hwaddr, sendp)
from scapy.utils6 import in6_mactoifaceid


def frame(kind, gateway, opt):
    mac = opt.get("mac") or get_if_hwaddr("eth0")
    link = Ether(src=mac, dst=gateway)
    if kind == "udp":
        net = IPv6 if ":" in opt["dst"] else IP
        return (link / net(src=opt["src"], dst=opt["dst"]) / UDP(sport=5555, dport=9999)
                / Raw(opt["text"].encode()))
    if kind == "arp-reply":
        return link / ARP(op=2, hwsrc=mac, psrc=opt["target"], hwdst=gateway, pdst=opt["dst"])
    if kind == "na":
        return (link / IPv6(src=opt["target"], dst=opt["dst"], hlim=255)
                / ICMPv6ND_NA(tgt=opt["target"], R=0, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac))
    if kind == "ra":
        return (Ether(src=mac, dst="33:33:00:00:00:01")
                / IPv6(src=opt.get("src") or "fe80::" + in6_mactoifaceid(mac), dst="ff02::1", hlim=255)
                / ICMPv6ND_RA(routerlifetime=1800) / ICMPv6NDOptSrcLLAddr(lladdr=mac)
                / ICMPv6NDOptPrefixInfo(prefix="2001:db8:bad::", prefixlen=64))
    sys.exit(__doc__)


if __name__ == "__main__":
    options = dict(a.split("=", 1) for a in sys.argv[3:])
    sendp([frame(sys.argv[1], sys.argv[2], options)] * 3, iface="eth0", verbose=False)
