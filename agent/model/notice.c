/* SPDX-License-Identifier: Apache-2.0 */
/* The words of notice.h. */
#include "agent/model/notice.h"

const char *lnt_notice_reason_text(enum lnt_notice_reason reason)
{
	static const char *const texts[LNT_NOTICE_REASON_MAX] = {
		[LNT_NOTICE_UNSUPPORTED] = "Unsupported",
		[LNT_NOTICE_PARTLY_SERVED] = "PartlyServed",
		[LNT_NOTICE_ADDRESS_CONFLICT] = "AddressConflict",
		/* kube-proxy's word for it. */
		[LNT_NOTICE_HEALTH_CHECK] = "FailedToStartServiceHealthcheck",
		[LNT_NOTICE_NODE_PORT_TAKEN] = "NodePortTaken",
		[LNT_NOTICE_ODD_ENDPOINTS] = "OddEndpoints",
		[LNT_NOTICE_NOT_PROGRAMMED] = "NotProgrammed",
	};

	return reason < LNT_NOTICE_REASON_MAX && texts[reason] ? texts[reason] : "?";
}

const char *lnt_notice_kind_text(enum lnt_kind kind)
{
	switch (kind) {
	case LNT_KIND_POD:
		return "Pod";
	case LNT_KIND_SERVICE:
		return "Service";
	case LNT_KIND_NETWORKPOLICY:
		return "NetworkPolicy";
	case LNT_KIND_CLUSTERNETWORKPOLICY:
		return "ClusterNetworkPolicy";
	default:
		return "?";
	}
}
