/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The socket where people meet the agent: <run-dir>/ctl.sock, SOCK_STREAM, mode 0600. Each request
 * is a JSON object on a line, and so is each line of an answer.
 *
 *   {"get":"monitor","allows":true,"pod":"ns/name","policy":"ns/name"}
 *       drops, and allows if they are asked for, as they happen, until the client hangs up. "pod"
 *       and "policy" (of a ClusterNetworkPolicy "cnp:name") leave out what does not concern them.
 *       The first line says that it has begun:
 *   {"listening":"node"}
 *   {"time":"2026-01-31T12:00:00.000000Z","verdict":"drop","direction":"ingress",...}
 *   {"lost":12}                        so many were not told: too many at once
 *
 *   {"get":"status"}
 *       what the agent knows of itself (docs/linnetctl.md has the members)
 *   {"version":"0.1.0","abi":3,"node":"n","ready":true,"watches":[...],...}
 *
 *   {"get":"names","addresses":["10.0.0.1"],"frontends":["10.96.0.1 80 6"],"rules":["123"],
 *    "pods":["ns/name"]}
 *       names for what somebody has read from the maps, and the addresses of pods; what has no
 *       name is left out. A frontend is an address, a port and the protocol's number.
 *   {"addresses":{"10.0.0.1":{"kind":"pod","name":"ns/name"}},"frontends":{"10.96.0.1 80 6":
 *    "ns/service"},"rules":{"123":"ns/policy ingress[0]"},"pods":{"ns/name":["10.0.0.1"]}}
 *
 *   {"get":"list","of":"services","namespace":"ns"}      or "policies"; of all without a namespace
 *       a line an object, sorted, and how many there were
 *   {"namespace":"ns","name":"web","type":"ClusterIP","frontends":[...],...}
 *   {"end":1}
 *
 *   {"get":"policies","pod":"ns/name"}
 *   {"pod":"ns/name","node":"n","audit":false,"ingressIsolated":true,"policies":[...],...}
 *
 *   {"get":"trace","from":"ns/pod","to":"ns/pod:80/tcp","family":0}
 *       whether policy allows it; family 4, 6 or 0 for both
 *   {"allowed":false,"connections":[{"family":4,"allowed":false,"ends":[...],...}],...}
 *
 *   {"error":"..."}                    to what is no request, or cannot be answered
 *
 * A client that does not read is not waited for: what does not fit into its queue is lost to it,
 * and it is hung up on after LNT_CTL_STUCK_MS.
 */
#define LNT_CTL_SOCKET	 "ctl.sock"
#define LNT_CTL_STUCK_MS 10000
