#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A client with a network stack of its own: frames in and out of eth0, no socket of the kernel's.

usage: userstack.py udp|tcp GATEWAY_MAC SRC ADDR PORT

Prints "NAME ADDR PORT" for a datagram's answer, "SYN-ACK ADDR PORT" for a connection that is accepted,
with the address and port that the answer came from. Exit 1: refused; 2: no answer.
"""
import random
import sys

from scapy.all import ICMP, ICMPv6DestUnreach, IP, IPv6, TCP, UDP, Ether, Raw, get_if_hwaddr, srp1


def main(proto, gateway, src, dst, port):
    net = IPv6 if ":" in dst else IP
    sport = random.randrange(40000, 60000)
    if proto == "udp":
        question = UDP(sport=sport, dport=int(port)) / Raw(b"?\n")
    else:
        question = TCP(sport=sport, dport=int(port), flags="S", seq=random.randrange(1 << 32))
    frame = Ether(src=get_if_hwaddr("eth0"), dst=gateway) / net(src=src, dst=dst) / question
    answer = srp1(frame, iface="eth0", timeout=2, verbose=False)
    if answer is None:
        return 2
    if ICMP in answer or ICMPv6DestUnreach in answer or (TCP in answer and answer[TCP].flags.R):
        return 1
    said = answer[Raw].load.split()[0].decode() if proto == "udp" else "SYN-ACK"
    print(said, answer[net].src, answer.payload.payload.sport)
    return 0


sys.exit(main(*sys.argv[1:]))
