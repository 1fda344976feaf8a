/* SPDX-License-Identifier: Apache-2.0 */
/* The case of cluster.h as it goes on. */
#include "tests/oracle/cluster.h"

#include <stdio.h>
#include <stdlib.h>

static void file(const cJSON **list, unsigned *n, const cJSON *object)
{
	if (*n == CLUSTER_MAX) {
		fprintf(stderr, "a case has more than %u %ss\n", CLUSTER_MAX,
			json_text(object, "kind"));
		abort();
	}
	list[(*n)++] = object;
}

static void sort_by_kind(struct cluster *c)
{
	const cJSON *o;

	c->n_namespaces = c->n_nodes = c->n_pods = c->n_policies = c->n_cluster_policies = 0;
	cJSON_ArrayForEach (o, c->objects) {
		if (json_is(o, "kind", "Namespace"))
			file(c->namespaces, &c->n_namespaces, o);
		else if (json_is(o, "kind", "Node"))
			file(c->nodes, &c->n_nodes, o);
		else if (json_is(o, "kind", "Pod"))
			file(c->pods, &c->n_pods, o);
		else if (json_is(o, "kind", "NetworkPolicy"))
			file(c->policies, &c->n_policies, o);
		else if (json_is(o, "kind", "ClusterNetworkPolicy"))
			file(c->cluster_policies, &c->n_cluster_policies, o);
	}
}

void cluster_init(struct cluster *c, const cJSON *test_case)
{
	*c = (struct cluster){
		.objects = cJSON_Duplicate(json_get(test_case, "objects"), true),
		.endpoints = cJSON_Duplicate(json_get(test_case, "endpoints"), true),
	};
	sort_by_kind(c);
}

static void drop_object(struct cluster *c, const cJSON *which)
{
	cJSON *o;

	cJSON_ArrayForEach (o, c->objects) {
		if (json_same_object(o, which)) {
			cJSON_Delete(cJSON_DetachItemViaPointer(c->objects, o));
			return;
		}
	}
}

static void drop_endpoint(struct cluster *c, const cJSON *which)
{
	cJSON *ep;

	cJSON_ArrayForEach (ep, c->endpoints) {
		if (json_is(ep, "namespace", json_text(which, "namespace")) &&
			json_is(ep, "pod", json_text(which, "pod"))) {
			cJSON_Delete(cJSON_DetachItemViaPointer(c->endpoints, ep));
			return;
		}
	}
}

void cluster_update(struct cluster *c, const cJSON *update)
{
	const cJSON *what;

	if ((what = json_get(update, "put"))) {
		drop_object(c, what);
		cJSON_AddItemToArray(c->objects, cJSON_Duplicate(what, true));
	} else if ((what = json_get(update, "delete"))) {
		drop_object(c, what);
	} else if ((what = json_get(update, "detach"))) {
		drop_endpoint(c, what);
	}
	sort_by_kind(c);
}

void cluster_clear(struct cluster *c)
{
	cJSON_Delete(c->objects);
	cJSON_Delete(c->endpoints);
	*c = (struct cluster){};
}
