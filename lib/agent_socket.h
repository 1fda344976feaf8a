/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The socket where the CNI plugin meets the agent: <run-dir>/cni.sock, SOCK_STREAM, mode 0600.
 * Requests and replies take turns on a connection, each a JSON object on a line.
 *
 *   {"op":"status"}                                  ready to carry pods?
 *   {"op":"add","endpoint":{...}}                    program it; replies when it is in the maps
 *   {"op":"check","endpoint":{...}}                  is exactly this in the maps?
 *   {"op":"del","containerID":"...","ifname":"..."}  forget it; unknown ones are fine
 *
 *   {"ok":true}
 *   {"ok":false,"code":11,"msg":"..."}               code: CNI error code (SPEC.md, "Error")
 *
 * The agent answers an "add" within LNT_AGENT_ADD_TIMEOUT_MS, with code 11 (try again later) when
 * the pod is not known to it by then. A plugin that hangs up first takes its "add" back, and a
 * "del" ends one that still waits.
 */
#define LNT_AGENT_SOCKET	 "cni.sock"
#define LNT_AGENT_ADD_TIMEOUT_MS 10000

/* CNI error codes (CNI SPEC.md 1.1.0, "Error"). */
enum lnt_cni_code {
	LNT_CNI_INCOMPATIBLE_VERSION = 1,
	LNT_CNI_UNSUPPORTED_FIELD = 2,
	LNT_CNI_UNKNOWN_CONTAINER = 3,
	LNT_CNI_INVALID_ENV = 4,
	LNT_CNI_IO_FAILURE = 5,
	LNT_CNI_DECODE_FAILURE = 6,
	LNT_CNI_INVALID_CONFIG = 7,
	LNT_CNI_TRY_AGAIN_LATER = 11,
	LNT_CNI_NOT_AVAILABLE = 50, /* STATUS: cannot serve ADD */
	LNT_CNI_NO_CONNECTIVITY = 51,
	LNT_CNI_POOL_EMPTY = 100, /* linnet's own */
	LNT_CNI_CHECK_FAILED = 101,
	LNT_CNI_IPAM_FAILED = 102,
	LNT_CNI_INTERNAL = 999,
};
