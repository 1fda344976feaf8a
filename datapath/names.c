/* SPDX-License-Identifier: Apache-2.0 */
/* The words for what the programs count. */
#include "datapath/load.h"
#include "lib/cleanup.h"

static const char *const drop_texts[LNT_DROP_MAX] = {
	[LNT_DROP_NONE] = "none",
	[LNT_DROP_MALFORMED] = "malformed",
	[LNT_DROP_NO_ENDPOINT] = "no-endpoint",
	[LNT_DROP_SPOOFED_IP] = "spoofed-ip",
	[LNT_DROP_SPOOFED_MAC] = "spoofed-mac",
	[LNT_DROP_FOREIGN_ND] = "foreign-arp-nd",
	[LNT_DROP_WIRE_SPOOFED] = "local-source-from-wire",
	[LNT_DROP_POLICY_INGRESS] = "policy-ingress",
	[LNT_DROP_POLICY_EGRESS] = "policy-egress",
	[LNT_DROP_NO_ROUTE] = "no-route",
	[LNT_DROP_TTL] = "hop-limit",
	[LNT_DROP_FRAGMENT] = "fragment",
	[LNT_DROP_UNKNOWN_L3] = "unknown-l3",
	[LNT_DROP_UNKNOWN_L4] = "unknown-l4",
	[LNT_DROP_MULTICAST] = "multicast",
	[LNT_DROP_NAT_PORTS] = "nat-ports",
	[LNT_DROP_NO_BACKEND] = "no-backend",
	[LNT_DROP_NO_SERVICE] = "no-service",
	[LNT_DROP_SOURCE_RANGE] = "source-range",
	[LNT_DROP_STRAY_ERROR] = "stray-icmp-error",
	[LNT_DROP_INTERNAL] = "internal",
	[LNT_DROP_DSR_UNKNOWN] = "dsr-unknown-service",
	[LNT_DROP_DSR_CLASH] = "dsr-port-in-use",
	[LNT_DROP_POLICY_CLOSED] = "policy-closed",
};

static const char *const counter_texts[LNT_CNT_MAX] = {
	[LNT_CNT_FLOW_NEW] = "flows-new",
	[LNT_CNT_FLOW_ESTABLISHED] = "flows-established",
	[LNT_CNT_FLOW_REDECIDED] = "flows-redecided",
	[LNT_CNT_FLOW_REOPENED] = "flows-reopened",
	[LNT_CNT_FLOW_MAP_FULL] = "flow-map-full",
	[LNT_CNT_SOCK_TRANSLATED] = "socket-translated",
	[LNT_CNT_SOCK_REFUSED] = "socket-refused",
	[LNT_CNT_SOCK_STATE_FULL] = "socket-state-full",
	[LNT_CNT_DSR_CARRIED] = "dsr-carried",
	[LNT_CNT_DSR_NO_ROOM] = "dsr-no-room",
	[LNT_CNT_XDP_FORWARDED] = "xdp-forwarded",
	[LNT_CNT_BIND_REFUSED] = "bind-refused",
	[LNT_CNT_POLICY_AUDITED] = "policy-audited",
	[LNT_CNT_EVENTS_LOST] = "events-lost",
};

const char *lnt_drop_text(unsigned reason)
{
	return reason < ARRAY_SIZE(drop_texts) && drop_texts[reason] ? drop_texts[reason] : "?";
}

const char *lnt_counter_text(unsigned counter)
{
	return counter < ARRAY_SIZE(counter_texts) && counter_texts[counter]
		? counter_texts[counter]
		: "?";
}
