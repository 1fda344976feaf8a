/* SPDX-License-Identifier: Apache-2.0 */
/* Freeing objects of every kind. An object is one allocation that starts with its lnt_meta. */
#include "agent/model/model.h"

#include <stdlib.h>

static void pod_clear(struct lnt_pod *p)
{
	lnt_labels_clear(&p->labels);
	lnt_unintern(p->node);
	for (size_t i = 0; i < p->n_ports; i++)
		lnt_unintern(p->ports[i].name);
	free(p->ports);
}

static void service_clear(struct lnt_service *s)
{
	for (size_t i = 0; i < s->n_ports; i++)
		lnt_unintern(s->ports[i].name);
	free(s->ports);
	free(s->external_ips);
	free(s->balancer_ips);
	free(s->ranges);
}

static void slice_endpoint_clear(struct lnt_slice_endpoint *ep)
{
	lnt_unintern(ep->node);
	lnt_unintern(ep->zone);
	for (int i = 0; i < ep->n_zone_hints + ep->n_node_hints; i++)
		lnt_unintern(ep->hints[i]);
	free(ep->hints);
}

static void slice_clear(struct lnt_endpointslice *s)
{
	lnt_unintern(s->service);
	for (size_t i = 0; i < s->n_ports; i++)
		lnt_unintern(s->ports[i].name);
	free(s->ports);
	for (size_t i = 0; i < s->n_endpoints; i++)
		slice_endpoint_clear(&s->endpoints[i]);
	free(s->endpoints);
}

void lnt_netpol_peer_clear(struct lnt_netpol_peer *p)
{
	lnt_selector_clear(&p->namespaces);
	lnt_selector_clear(&p->pods);
	lnt_selector_clear(&p->nodes);
	free(p->except);
	*p = (struct lnt_netpol_peer){};
}

void lnt_netpol_rule_clear(struct lnt_netpol_rule *r)
{
	for (size_t i = 0; i < r->n_peers; i++)
		lnt_netpol_peer_clear(&r->peers[i]);
	free(r->peers);
	for (size_t i = 0; i < r->n_ports; i++)
		lnt_unintern(r->ports[i].name);
	free(r->ports);
	free(r->name);
	*r = (struct lnt_netpol_rule){};
}

static void rules_free(struct lnt_netpol_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		lnt_netpol_rule_clear(&rules[i]);
	free(rules);
}

static void netpol_clear(struct lnt_netpol *p)
{
	lnt_selector_clear(&p->namespaces);
	lnt_selector_clear(&p->pods);
	rules_free(p->ingress_rules, p->n_ingress_rules);
	rules_free(p->egress_rules, p->n_egress_rules);
	free(p->unsupported);
}

void lnt_object_free(struct lnt_meta *obj)
{
	if (!obj)
		return;
	switch (obj->kind) {
	case LNT_KIND_NAMESPACE:
		lnt_labels_clear(&((struct lnt_namespace *)obj)->labels);
		break;
	case LNT_KIND_POD:
		pod_clear((struct lnt_pod *)obj);
		break;
	case LNT_KIND_SERVICE:
		service_clear((struct lnt_service *)obj);
		break;
	case LNT_KIND_ENDPOINTSLICE:
		slice_clear((struct lnt_endpointslice *)obj);
		break;
	case LNT_KIND_NETWORKPOLICY:
	case LNT_KIND_CLUSTERNETWORKPOLICY:
		netpol_clear((struct lnt_netpol *)obj);
		break;
	case LNT_KIND_NODE:
		lnt_labels_clear(&((struct lnt_node *)obj)->labels);
		lnt_unintern(((struct lnt_node *)obj)->zone);
		break;
	case LNT_KIND_MAX:
		break;
	}
	lnt_unintern(obj->ns);
	lnt_unintern(obj->name);
	free(obj->uid);
	free(obj);
}
