# SPDX-License-Identifier: Apache-2.0
"""The double's own paths: faults, the request log, compaction, bulk creation.

They need the token like everything else, except over the unix socket, whose guard is its folder.
"""

import json

from . import errors
from .faults import ONCE
from .store import clone, encode

PREFIX = "/double/"


class Admin:
	def __init__(self, server):
		self.server = server

	def handle(self, conn, request):
		"""Answers a request; returns the status code."""
		name = request.path[len(PREFIX):]
		action = getattr(self, f"_{request.method.lower()}_{name}", None)
		if action is None:
			raise errors.no_such_path()
		body = None
		if request.body:
			try:
				body = json.loads(request.body)
			except ValueError as e:
				raise errors.bad_request(f"the body is not JSON: {e}") from None
		conn.respond(200, encode(action(request.query, body)))
		return 200

	def _get_faults(self, _query, _body):
		return {"faults": self.server.faults.reports(),
			"streams": self.server.streams.reports()}

	def _post_faults(self, _query, body):
		"""Arms one fault or a list of them."""
		ret = []
		for spec in body if isinstance(body, list) else [body or {}]:
			fault = self.server.faults.add(spec)
			ret.append({"id": fault.number})
			if fault.kind == "rotate-token":
				self.server.rotate_token()
			elif fault.kind in ONCE:
				ret[-1]["streams"] = self.server.streams.tell(fault, fault.matches)
		return ret if isinstance(body, list) else ret[0]

	def _delete_faults(self, query, _body):
		number = int(query["id"]) if "id" in query else None
		return {"cleared": self.server.faults.clear(number, query.get("kind"))}

	def _get_log(self, query, _body):
		return self.server.log.report(int(query.get("last", 100)), int(query.get("since", 0)))

	def _delete_log(self, _query, _body):
		self.server.log.clear()
		return {}

	def _post_compact(self, query, _body):
		"""Forgets the events of ?resource=, or of all."""
		name = query.get("resource")
		if not name:
			self.server.store.compact()
			return {"resourceVersion": str(self.server.store.rv)}
		found = {r.storage for r in self.server.registry.all() if r.named(name)}
		for storage in found:
			self.server.store.compact(storage)
		return {"resourceVersion": str(self.server.store.rv), "resources": sorted(found)}

	def _post_bulk(self, query, body):
		"""Creates objects of any kinds, with the status they come with. With ?replace=true, one
		that exists is replaced, status and all."""
		if isinstance(body, dict):
			body = body.get("items")
		if not isinstance(body, list):
			raise errors.bad_request("a list of objects is wanted")
		kinds, life = {}, self.server.lifecycle
		replace = query.get("replace") == "true"
		for obj in body:
			key = (obj.get("apiVersion"), obj.get("kind"))
			res = kinds.get(key) or self.server.registry.by_kind(*key)
			if res is None:
				raise errors.bad_request(f"no resource for {key[1]} of {key[0]}")
			kinds[key] = res
			namespace = obj.get("metadata", {}).get("namespace", "default") if res.namespaced else ""
			try:
				life.create(res, namespace, clone(obj), keep_status=True)
			except errors.ApiError as e:
				if e.reason != "AlreadyExists" or not replace:
					raise
				self._replace(res, namespace, obj)
		return {"created": len(body), "resourceVersion": str(self.server.store.rv)}

	def _replace(self, res, namespace, obj):
		name, life = obj["metadata"]["name"], self.server.lifecycle
		with self.server.store.lock:
			life.update(res, namespace, name, lambda old: clone(obj))
			if res.has_status and "status" in obj:
				life.update(res, namespace, name,
					    lambda old: dict(old, status=clone(obj["status"])), "status")
